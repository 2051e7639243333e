"""Field: one value of an application, and the rules that it must keep.

The serving command imports this module before a worker is there, so it imports no numpy.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import pairwise
from typing import Any, Literal, TypeAlias

import msgspec

from bentoml_ext.choices import meant, one_of, some_of, spelled, words
from bentoml_ext.errors import InvalidApplication

__all__ = ["FLOAT32_MAX", "Application", "Field", "Unknown", "words"]

Application: TypeAlias = Mapping[str, Any]

Unknown: TypeAlias = Literal["refuse", "zero"]
"""What becomes of a category without a column of its own."""

FLOAT32_MAX = float.fromhex("0x1.fffffep+127")
"""The largest finite float32."""

FAR = 1e30
"""Bounds beyond come of float32's own range: they are named where a number is beyond one."""

LEAST = math.ulp(0.0)
"""The smallest number above 0."""


class Field(msgspec.Struct, frozen=True, omit_defaults=True):
    """One field of an application: a category if it lists categories, otherwise a number.

    Args:
        name: key in the application.
        categories: texts with a meaning of their own; empty for a number.
        unit: what a number counts, for people ("years", "thousands").
        minimum: smallest number allowed, or None.
        nullable: whether null may stand for "not given".
        sentinels: numbers that some systems write for "missing" and that must never be scored.
        maximum: largest number allowed, or None.
        boolean: whether true and false may stand for the numbers 1 and 0.
        codes: the only numbers allowed, where a number is a code; empty for any.
        baseline: further texts allowed, which training had without a column of their own: every
            column of the field is then as if it were absent.
        unknown: whether any other text, or number beside codes, is refused, or taken as one of
            the baseline.
        multiple: whether a list of different categories may stand for several at once.
        seen: the least and the greatest number of training, for people: others are taken, too.
    """

    name: str
    categories: tuple[str, ...] = ()
    unit: str = ""
    minimum: float | None = None
    nullable: bool = False
    sentinels: tuple[float, ...] = ()
    maximum: float | None = None
    boolean: bool = False
    codes: tuple[int | float, ...] = ()
    baseline: tuple[str, ...] = ()
    unknown: Unknown = "refuse"
    multiple: bool = False
    seen: tuple[int | float, int | float] | None = None

    @property
    def is_listed(self) -> bool:
        """Whether the codes are the only numbers that the field takes."""
        return bool(self.codes) and self.unknown == "refuse"

    @property
    def expected(self) -> str:
        """What the field takes, in words."""
        return self._expected()

    @property
    def trained(self) -> str:
        """The range of training, in words; nothing where it is not known."""
        if self.seen is None:
            return ""
        low, high = self.seen
        return f"in training from {low:.10g} to {high:.10g}"

    def _expected(self, got: float | None = None) -> str:
        what = self._expected_text() if self.categories else self._expected_number(got)
        return what + (" or null" if self.nullable else "")

    def _expected_text(self) -> str:
        if self.unknown == "zero":
            return "a text"
        what = one_of((*self.categories, *self.baseline))
        return f"{what}, or a list of them" if self.multiple else what

    def _expected_number(self, got: float | None) -> str:
        if self.is_listed:
            first, last = self.codes[0], self.codes[-1]
            said = some_of(list(map(str, self.codes)))
            if len(self.codes) > 1 and all(two - one == 1 for one, two in pairwise(self.codes)):
                said = f"{first} to {last}"
            return f"one of the codes {said}" + (", true or false" if self.boolean else "")
        what = "a finite number" + (f" in {self.unit}" if self.unit else "")
        for word, bound in (("at least", self.minimum), ("at most", self.maximum)):
            if bound == LEAST:
                what += ", above 0"
            elif bound is not None and abs(bound) < FAR:
                what += f", {word} {bound:.15g}"
        if got is not None and abs(got) >= FAR and self._ends_far:
            what += ", nearer to 0: after the model's steps float32 cannot hold it"
        return what + (", true or false" if self.boolean else "")

    @property
    def _ends_far(self) -> bool:
        """Whether a bound is one that the model's steps make, and that no message spells."""
        return any(end is not None and abs(end) >= FAR for end in (self.minimum, self.maximum))

    def _expected_for(self, value: Any) -> str:
        """What the field takes, with the category that a refused text may mean, if one is near."""
        near = meant(value, self.categories) if isinstance(value, str) else None
        got = value if isinstance(value, int | float) and not isinstance(value, bool) else None
        return self._expected(got) + (f" (did you mean {words(near)}?)" if near else "")

    @property
    def plain(self) -> tuple[float, float]:
        """A range of numbers that need no further look: no sentinel is in it.

        A number outside the range may still be right: `check` decides.
        """
        low = -FLOAT32_MAX if self.minimum is None else self.minimum
        high = FLOAT32_MAX if self.maximum is None else self.maximum
        beyond = (math.nextafter(s, -math.inf) for s in self.sentinels if s >= low)
        return low, min((high, *beyond))

    def check(self, value: Any) -> None:
        """Refuse a value that must not be scored.

        Raises:
            InvalidApplication: wrong type, unknown category, number out of range, not finite in
                float32 or a sentinel, null where it is not allowed.
        """
        if value is None and self.nullable:
            return
        if not (self._takes_text(value) if self.categories else self._takes_number(value)):
            raise InvalidApplication(self._expected_for(value), self._got(value), self.name)

    def _got(self, value: Any) -> str:
        """A refused value, and what it surely is."""
        got = spelled(value)
        if self.categories:
            return got
        if isinstance(value, int | float) and value in self.sentinels:
            return f"{got}, a code for a missing value"
        if type(value).__module__ != "builtins":
            # As numpy.int64, which JSON cannot hold either.
            return f"{got} of type {type(value).__module__}.{type(value).__name__}"
        return f"{got}, a number written as a text" if _reads_as_number(value) else got

    def _takes_text(self, value: Any) -> bool:
        if isinstance(value, str):
            known = value in self.categories or value in self.baseline
            return known or self.unknown == "zero"
        if not self.multiple or not isinstance(value, list | tuple):
            return False
        texts = all(isinstance(text, str) and self._takes_text(text) for text in value)
        # DictVectorizer would count a text that stands twice as 2.
        return texts and len(set(value)) == len(value)

    def _takes_number(self, value: Any) -> bool:
        if isinstance(value, bool):
            # To Python a bool is an int; to a field that says so only.
            known = not self.codes or self.unknown == "zero" or value in self.codes
            return self.boolean and known and value not in self.sentinels
        if not isinstance(value, int | float):
            return False
        if value in self.sentinels:
            return False
        if self.is_listed:
            return value in self.codes
        # Not `abs(value) > max`: NaN must not pass.
        if not abs(value) <= FLOAT32_MAX:
            return False
        low, high = self.minimum, self.maximum
        return (low is None or value >= low) and (high is None or value <= high)


def _reads_as_number(value: Any) -> bool:
    try:
        return isinstance(value, str) and math.isfinite(float(value))
    except ValueError:
        return False
