"""Field: one value of an application, and the rules that it must keep.

The serving command imports this module before a worker is there, so it imports no numpy.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, TypeAlias

import msgspec

from bentoml_ext.errors import InvalidApplication

__all__ = ["FLOAT32_MAX", "Application", "Field", "words"]

Application: TypeAlias = Mapping[str, Any]

FLOAT32_MAX = float.fromhex("0x1.fffffep+127")
"""The largest finite float32."""


class Field(msgspec.Struct, frozen=True, omit_defaults=True):
    """One field of an application: a category if it lists categories, else a number.

    Args:
        name: key in the application.
        categories: allowed texts; empty for a number.
        unit: what a number counts, for people ("years", "thousands").
        minimum: smallest number allowed, or None.
        nullable: whether null may stand for "not given".
        sentinels: numbers that some systems write for "missing" and that must never be scored.
    """

    name: str
    categories: tuple[str, ...] = ()
    unit: str = ""
    minimum: float | None = None
    nullable: bool = False
    sentinels: tuple[float, ...] = ()

    @property
    def expected(self) -> str:
        """What the field takes, in words."""
        if self.categories:
            what = "one of " + ", ".join(map(repr, self.categories))
        else:
            what = "a finite number" + (f" in {self.unit}" if self.unit else "")
            if self.minimum is not None:
                what += f", at least {self.minimum:g}"
        return what + (" or null" if self.nullable else "")

    @property
    def plain(self) -> tuple[float, float]:
        """A range of numbers that need no further look: no sentinel is in it.

        What lies beyond may still be right: `check` tells.
        """
        low = -FLOAT32_MAX if self.minimum is None else self.minimum
        beyond = (math.nextafter(s, -math.inf) for s in self.sentinels if s >= low)
        return low, min((FLOAT32_MAX, *beyond))

    def check(self, value: Any) -> None:
        """Refuse a value that must not be scored.

        Raises:
            InvalidApplication: wrong type, unknown category, number out of range, not finite in
                float32 or a sentinel, null where it is not allowed.
        """
        if value is None and self.nullable:
            return
        if self.categories:
            if not isinstance(value, str) or value not in self.categories:
                raise InvalidApplication(self.expected, words(value), self.name)
            return
        # bool is an int to Python, and no amount.
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise InvalidApplication(self.expected, words(value), self.name)
        if value in self.sentinels:
            got = f"{words(value)}, a code for a missing value"
            raise InvalidApplication(self.expected, got, self.name)
        # Not `abs(value) > max`: NaN must not pass.
        if not abs(value) <= FLOAT32_MAX or (self.minimum is not None and value < self.minimum):
            raise InvalidApplication(self.expected, words(value), self.name)


def words(value: Any) -> str:
    """A value that came, short enough for a message."""
    text = "null" if value is None else repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
