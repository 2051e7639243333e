"""UBJSON: Universal Binary JSON, as XGBoost writes its models.

XGBoost's other format, JSON text, says the same. But UBJSON holds a float32 as its four bytes. No
number is rounded on the way, and an array of two million numbers is read in one step.
"""

from __future__ import annotations

import struct
from typing import Any, Final

import numpy as np

from bentoml_ext.errors import ExportRefused

__all__ = ["decode"]

# Big endian, as the format says; `d` is float32 and `D` float64.
_ARRAYS: Final = {b"i": ">i1", b"U": ">u1", b"I": ">i2", b"l": ">i4", b"L": ">i8"} | {
    b"d": ">f4",
    b"D": ">f8",
}
# A number alone: each tree has hundreds of them, and numpy takes ten times as long for one.
_NUMBERS: Final = {
    kind: struct.Struct(code)
    for kind, code in zip(_ARRAYS, (">b", ">B", ">h", ">i", ">q", ">f", ">d"), strict=True)
}
_WORDS: Final = {b"T": True, b"F": False, b"Z": None}


def decode(data: bytes) -> Any:
    """The document as dicts, lists, strings and numbers; a typed array comes as numpy array.

    Args:
        data: `Booster.save_raw("ubj")` or the content of a .ubj file.

    Returns:
        Arrays of one type are numpy arrays of that type, in native byte order.

    Raises:
        ExportRefused: not UBJSON, or cut short.
    """
    try:
        return _Reader(data).value()
    except (IndexError, KeyError, TypeError, ValueError, RecursionError, struct.error) as error:
        raise ExportRefused(
            f"Expected a model in UBJSON, got {type(error).__name__}: {error} - at the booster."
        ) from error


class _Reader:
    """A position in the document; every method reads one thing and moves on."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def value(self, kind: bytes | None = None) -> Any:
        kind = kind or self._take(1)
        if kind == b"{":
            return self._object()
        if kind == b"[":
            return self._array()
        if kind == b"S":
            return self._take(self.value()).decode()
        if kind == b"C":
            return self._take(1).decode()
        if kind in _WORDS:
            return _WORDS[kind]
        number = _NUMBERS[kind]
        return number.unpack(self._take(number.size))[0]

    def _object(self) -> dict[str, Any]:
        found = {}
        while (kind := self._take(1)) != b"}":
            # A key is a string without its `S`: the type of its length comes first.
            key = self._take(self.value(kind)).decode()
            found[key] = self.value()
        return found

    def _array(self) -> Any:
        kind = self._take(1)
        if kind == b"$":
            element = self._take(1)
            self._take(1)
            return self._typed(element, self.value())
        if kind == b"#":
            if (count := self.value()) < 0:
                raise ValueError(f"an array of {count} values")
            return [self.value() for _ in range(count)]
        found = []
        while kind != b"]":
            found.append(self.value(kind))
            kind = self._take(1)
        return found

    def _typed(self, kind: bytes, count: int) -> Any:
        dtype = np.dtype(_ARRAYS[kind])
        numbers = np.frombuffer(self._take(count * dtype.itemsize), dtype)
        return numbers.astype(dtype.newbyteorder("="))

    def _take(self, size: int) -> bytes:
        end = self._at + size
        # A size below 0 would lead back, and round and round.
        if size < 0 or end > len(self._data):
            raise IndexError(f"{size} bytes wanted at byte {self._at} of {len(self._data)}")
        taken = self._data[self._at : end]
        self._at = end
        return taken
