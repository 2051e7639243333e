"""Spelling: how a user says a part of a reading, by an option of a command or in Python."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

__all__ = ["ARGUMENTS", "OPTIONS", "Spelling"]

WORDS: Final = frozenset({"zero", "missing", "best", "all"})
"""Values that are texts in Python."""


@dataclass(frozen=True)
class Spelling:
    """A way to say a part of a reading.

    Args:
        before: what stands before the name.
        after: what stands between name and value.
        null: says that null was missing in training.
        place: what says it; empty where that is the source of the model.
    """

    before: str
    after: str
    null: str
    place: str = ""

    def name(self, part: str) -> str:
        """The part alone, as `--missing` or `missing=`."""
        return f"{self.before}{part}{self.after}".rstrip()

    def said(self, part: str, value: str) -> str:
        """The part with a value, as `--missing nan` or `missing=math.nan`."""
        if self.before:
            return f"{self.before}{part}{self.after}{value}"
        shown = f'"{value}"' if value in WORDS else value.replace("nan", "math.nan")
        return f"{part}{self.after}{shown}"


OPTIONS: Final = Spelling("--", " ", "--null missing")
ARGUMENTS: Final = Spelling("", "=", 'null="missing" with a nullable field', "the encoder")
