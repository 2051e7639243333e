"""Spelling: how a text file writes its letters and numbers, where it is not as most do."""

from __future__ import annotations

import codecs
from dataclasses import dataclass
from typing import Final

from bentoml_ext.errors import ConfigError

__all__ = ["ENCODING", "PLAIN", "QUOTES", "Spelling"]

ENCODING: Final = " Name its encoding, such as by `--encoding windows-1252`."
"""What to do about bytes that are not UTF-8."""

QUOTES: Final = ("double", "backslash", "none")
"""A quotation mark in a cell of CSV: doubled, behind a backslash, or like any other letter."""


@dataclass(frozen=True)
class Spelling:
    """What no file of text says of itself.

    Args:
        encoding: name of its encoding; None for UTF-8, or what its byte-order mark says.
        decimal: the decimal sign of its numbers.
        nulls: texts that stand for a value that is not given; an empty cell always does.
        quotes: one of `QUOTES`; None for doubled ones, and a refusal where that is in doubt.
    """

    encoding: str | None = None
    decimal: str = "."
    nulls: tuple[str, ...] = ()
    quotes: str | None = None

    def check(self, form: str, place: object) -> None:
        """Refuse what a format has no use for.

        Raises:
            ConfigError: names the option.
        """
        if self.encoding is not None:
            if form not in ("csv", "ndjson"):
                raise ConfigError(
                    f"Expected CSV or NDJSON for --encoding, got {form} - at {place}. "
                    "Leave out the option."
                )
            _check_encoding(self.encoding)
        of_csv = {"--decimal": self.decimal != ".", "--null": self.nulls, "--quotes": self.quotes}
        for option, given in of_csv.items():
            if given and form != "csv":
                raise ConfigError(
                    f"Expected CSV for {option}, got {form} - at {place}. Leave out the option."
                )


PLAIN: Final = Spelling()


def _check_encoding(name: str) -> None:
    try:
        # Python has codecs of bytes alone, such as base64.
        "".encode(name)
        codecs.getincrementaldecoder(name)
    except (LookupError, ValueError, UnicodeError):
        raise ConfigError(
            f"Expected the name of an encoding, such as windows-1252, got '{name}' - at --encoding."
        ) from None
