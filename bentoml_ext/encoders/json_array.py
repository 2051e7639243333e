"""Array: a long JSON array as `json_value` reads it, while other threads go on.

Python's decoder lets no other thread run before it has the last value. Of 16 MB that may be half a
second, in which the event loop answers nobody. Here one call decodes at most `PIECE` characters.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, Final

from bentoml_ext.encoders.strict_json import DECODER, json_value, worded
from bentoml_ext.errors import InvalidApplication, TooLarge

__all__ = ["PIECE", "json_array"]

PIECE: Final = 1024 * 1024
"""Characters of an element at the most: 25 ms, whatever is in it."""

SURE: Final = 16
"""So close to the end of a piece, a number or an error may be due to the end."""

SPACE: Final = re.compile(r"[ \t\n\r]*")


def json_array(text: bytes, most: int, piece: int = PIECE) -> Any:
    """The value.

    Args:
        text: in UTF-8, or in UTF-16 or UTF-32 as JSON distinguishes them.
        most: elements that a long array may have.
        piece: characters that an element of a long array may have.

    Raises:
        InvalidApplication: not JSON, or long and not an array, or one of more elements.
        TooLarge: a longer element.
    """
    if len(text) <= piece:
        return json_value(text)
    with worded(text):
        whole = text.decode(json.detect_encoding(text), "surrogatepass")
        start = _after_space(whole, 0)
        if whole[start : start + 1] == "{":
            raise InvalidApplication("an array of applications", "an object")
        if whole[start : start + 1] != "[":
            # Text, number or no JSON at all: none takes long.
            return json_value(text)
        found: list[Any] = []
        for element in _elements(whole, start + 1, piece):
            if len(found) == most:
                # To count them may take long.
                raise InvalidApplication(f"at most {most} applications", "more")
            found.append(element)
        return found


def _elements(whole: str, at: int, piece: int) -> Iterator[Any]:
    at = _after_space(whole, at)
    if whole[at : at + 1] == "]":
        return _check_end(whole, at)
    number, base, part = 0, at, whole[at : at + piece]
    while True:
        try:
            value, end = DECODER.raw_decode(part, at - base)
            wrong, is_cut = None, end > len(part) - SURE
        except json.JSONDecodeError as error:
            # The error itself refers to this frame: held here, it would keep the text.
            wrong = error.msg, base + error.pos
            is_cut = error.pos > len(part) - SURE or error.msg.startswith("Unterminated")
        if is_cut and base + len(part) < len(whole):
            if base == at:
                raise TooLarge(
                    f"Expected at most {piece} characters, got more - at application {number}. "
                    "Leave out of it what the model does not ask for."
                )
            base, part = at, whole[at : at + piece]
            continue
        if wrong is not None:
            raise json.JSONDecodeError(wrong[0], whole, wrong[1])
        yield value
        number += 1
        at = _after_space(whole, base + end)
        if whole[at : at + 1] == "]":
            return _check_end(whole, at)
        if whole[at : at + 1] != ",":
            raise json.JSONDecodeError("Expecting ',' delimiter", whole, at)
        at = _after_space(whole, at + 1)


def _check_end(whole: str, at: int) -> None:
    if (end := _after_space(whole, at + 1)) < len(whole):
        raise json.JSONDecodeError("Extra data", whole, end)


def _after_space(whole: str, at: int) -> int:
    found = SPACE.match(whole, at)
    return found.end() if found else at
