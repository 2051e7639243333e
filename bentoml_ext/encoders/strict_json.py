"""Strict JSON: a value as the specification reads it, or a refusal that names the reason."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from bentoml_ext.errors import InvalidApplication

__all__ = ["DECODER", "Doubled", "has_doubled", "json_value", "worded"]

SIGNS: Final = {
    b"\x1f\x8b": "gzip (send it with `Content-Encoding: gzip`)",
    b"\x28\xb5\x2f\xfd": "zstd (send it plain, or as gzip with `Content-Encoding: gzip`)",
    b"ARROW1": "an Arrow file (send an Arrow stream as application/vnd.apache.arrow.stream)",
    b"PAR1": "Parquet (score a file by `bentoml ext score`)",
    b"\x80": "a pickle",
    b"--": "a multipart form",
    b"<": "XML or HTML",
}
"""The format of a body that is not JSON, by its first bytes."""

FORM: Final = re.compile(rb"[\w.%+\[\]-]+=[\w.%+*-]*(&|$)")
"""How a form begins, as browsers, `curl -d age=26` and `requests.post(data={...})` send it."""

LINES: Final = "an array of many goes to /classify_batch or /predict_batch; one a line is NDJSON"


class Doubled(dict[str, Any]):
    """An object that has a key twice: the last value of each, as Python's decoder keeps it.

    Args:
        pairs: keys and values, in order.
    """

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        self.values_of: dict[str, list[Any]] = {}
        for key, value in pairs:
            self.values_of.setdefault(key, []).append(value)

    def doubled(self, key: str) -> list[Any] | None:
        """The values of a key that stands more than once; None for another."""
        found = self.values_of.get(key, [])
        return found if len(found) > 1 else None


def json_value(text: bytes) -> Any:
    """The value; NaN and Infinity are let through, so that the field that has one is named.

    Args:
        text: in UTF-8, or in UTF-16 or UTF-32 as JSON distinguishes them.

    Raises:
        InvalidApplication: not JSON; says where.
    """
    with worded(text):
        return json.loads(text, object_pairs_hook=_object)


@contextmanager
def worded(text: bytes) -> Iterator[None]:
    """What a decoder says of this text, in our words."""
    try:
        yield
    except json.JSONDecodeError as error:
        got = _said(error, text)
    except UnicodeDecodeError as error:
        byte = error.object[error.start]
        got = _sign(text) or f"the byte 0x{byte:02x} at {error.start}, which is not UTF-8"
    except RecursionError:
        got = "a value nested too deep"
    except ValueError:
        got = "a number of thousands of digits"
    else:
        return
    raise InvalidApplication("JSON", got)


def has_doubled(text: bytes) -> bool:
    """Whether an object in valid JSON has a key twice."""
    found = False

    def look(pairs: list[tuple[str, Any]]) -> None:
        nonlocal found
        found = found or len({key for key, _ in pairs}) < len(pairs)

    try:
        json.loads(text, object_pairs_hook=look)
    except (ValueError, RecursionError):
        # Not as Python's decoder reads it, which then says why.
        return True
    return found


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    return found if len(found) == len(pairs) else Doubled(pairs)


DECODER: Final = json.JSONDecoder(object_pairs_hook=_object)


def _said(error: json.JSONDecodeError, text: bytes) -> str:
    if not text.strip():
        return "nothing"
    if error.msg == "Extra data":
        return f"more after the first value, at character {error.pos} ({LINES})"
    said = f"{error.msg[:1].lower()}{error.msg[1:]} at character {error.pos}"
    return _sign(text) or said


def _sign(text: bytes) -> str:
    start = text[:16].lstrip()
    if FORM.match(text):
        return "the fields of a form (send an object of JSON: `json=` of Python's clients)"
    return next((what for sign, what in SIGNS.items() if start.startswith(sign)), "")
