"""JSON decoder: the short way from JSON to rows, for applications that keep every rule.

msgspec checks and decodes in one step, by types made from the encoder's fields. For an
application that msgspec refuses the decoder returns None, and the encoder then reads it: the
encoder knows every case and words every error. An application that msgspec takes gets the
encoder's bits.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator, Sequence
from decimal import Decimal
from itertools import starmap
from operator import attrgetter
from typing import Any, TypeAlias

import msgspec
import numpy as np
import numpy.typing as npt
from msgspec.structs import astuple

from bentoml_ext.arrays import Rows
from bentoml_ext.encoders.encoder import FILL, Encoder
from bentoml_ext.encoders.json_steps import codes_of, has_flags, writers_of
from bentoml_ext.encoders.json_types import Category, categories, is_plain, type_of
from bentoml_ext.encoders.steps import Codes, Number, OneHot, Ranges, Table
from bentoml_ext.encoders.strict_json import has_doubled

__all__ = ["JsonDecoder", "Values"]

PIECE_BYTES = 512 * 1024
"""Decoding as much takes 3 ms."""

Values: TypeAlias = msgspec.Struct
"""The values of an application: for each field, in the encoder's order, a float, a `Category`, or
None for null; then the kept values."""


class JsonDecoder:
    """Reads applications for one encoder.

    Args:
        encoder: whose fields and columns they are.
        keep: other keys that an application may have, and whose values are wanted.
    """

    def __init__(self, encoder: Encoder, keep: Sequence[str] = ()) -> None:
        known = [field.name for field in encoder.fields]
        known += [name for name in keep if name not in known]
        rules = list(zip(encoder.fields, encoder.steps_by_field, strict=True))
        kinds = [(type_of(field, step),) for field, (step, *_) in rules]
        others = [(Any, msgspec.UNSET)] * (len(known) - len(kinds))
        fields = [(f"field_{i}", *kind) for i, kind in enumerate([*kinds, *others])]
        names = {f"field_{i}": name for i, name in enumerate(known)}
        # An unknown key is skipped without a look at its text, which might not be UTF-8: refuse it
        # here, and let the encoder ignore it.
        shape = self._shape = msgspec.defstruct(
            "Application", fields, rename=names, forbid_unknown_fields=True, gc=False
        )
        # JSON has a colon behind each key: as many colons as fields mean that no key stands twice.
        self._keys = len(kinds)
        self._besides = [attrgetter(name) for name, *_ in fields[len(kinds) :]]
        self._one = msgspec.json.Decoder(shape)
        self._many = msgspec.json.Decoder(list[shape])  # type: ignore[valid-type]
        # Kept values are packed as one bool each: `?` accepts any object. "0d" pads to 8 bytes.
        self._packing = struct.Struct(f"{len(kinds)}d{len(others)}?0d")
        # The only numbers of a field, which no type of msgspec lists.
        self._listed = [
            (attrgetter(f"field_{i}"), {*field.codes, *([None] if field.nullable else [])})
            for i, (field, (step, *_)) in enumerate(rules)
            if field.is_listed and isinstance(step, Number | Ranges)
        ]
        self._plan(encoder)
        self._kept = [attrgetter(f"field_{i}") for i in map(known.index, keep)]

    def _plan(self, encoder: Encoder) -> None:
        """How values are written: plain steps here, the others by a writer each."""
        self._null = FILL[encoder.null]
        # As in Encoder.rows: -0.0 is 0.0 in a dense row, and itself in a sparse one.
        self._start = encoder.start
        self._mark = None if encoder.missing is None else encoder.mark
        self._one_is = float(_marked(encoder, 1.0))
        self._blank = encoder.blank.tobytes()
        self._n_features = encoder.n_features
        rules = list(enumerate(encoder.steps_by_field))
        # JSON's false and true become the categories 0 and 1.
        self._flags = {
            i: {bool(one.value): one for one in categories(codes_of(first))}
            for i, (first, *_) in rules
            if isinstance(first, OneHot | Table) and has_flags(encoder.fields[i], first)
        }
        worked = [i for i, steps in rules if i in self._flags or not is_plain(steps)]
        plain = [(i, steps[0]) for i, steps in rules if i not in worked]
        # A code is a number once it has been found by its text.
        self._numbers = [(i, step.column) for i, step in plain if isinstance(step, Number | Codes)]
        self._categories = [i for i, step in plain if isinstance(step, OneHot)]
        writers = [
            (i, *writers_of(step, encoder)) for i in worked for step in encoder.steps_by_field[i]
        ]
        self._one_writers = [(i, one) for i, one, _ in writers]
        self._many_writers = [(i, many) for i, _, many in writers]
        # The same as arrays, to index by.
        numbers = np.array(self._numbers, np.intp).reshape(-1, 2)
        self._number_fields, self._number_columns = numbers.T
        self._category_fields = np.array(self._categories, np.intp)
        # A writer finds null as NaN, which no application holds.
        nulls = [(i, self._null) for i, _ in self._numbers] + [(i, math.nan) for i in worked]
        self._nullable = [(i, null) for i, null in nulls if encoder.fields[i].nullable]

    def one(self, body: bytes) -> Values | None:
        """The values of a JSON object, or None if the encoder must see it."""
        try:
            found = self._one.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None
        if body.count(b":") != self._keys and not self._once(body, [found]):
            return None
        return None if self._listed and not self._are_listed([found]) else found

    def many(self, body: bytes) -> list[Values] | None:
        """The values of a JSON array of objects, or None if the encoder must see it."""
        found: list[Values] = []
        try:
            for piece in _pieces(body):
                found += (some := self._many.decode(piece))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None
        if not some and found:
            # A comma, and nothing after it.
            return None
        if body.count(b":") != self._keys * len(found) and not self._once(body, found):
            return None
        return found if self._are_listed(found) else None

    def lines(self, body: bytes) -> list[Values] | None:
        """The values of NDJSON, an object on every line, or None if the encoder must see it."""
        try:
            found = self._one.decode_lines(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None
        # NDJSON has one object a line: refuse an object on two lines, and two objects on one.
        text = np.frombuffer(body, np.uint8)
        starts = np.append(np.flatnonzero(text[:-1] == ord("\n")) + 1, 0)
        plain = len(found) == len(starts) and (text[starts] == ord("{")).all()
        if body.count(b":") != self._keys * len(found):
            plain = plain and self._as_many(body, found)
        return found if plain and self._are_listed(found) else None

    def _are_listed(self, found: Sequence[Values]) -> bool:
        """Whether fields with codes hold one of them."""
        return all(value(one) in codes for value, codes in self._listed for one in found)

    def _once(self, body: bytes, found: Sequence[Values]) -> bool:
        """Whether no key stands twice in an object of the body."""
        return self._as_many(body, found) or not has_doubled(body)

    def _as_many(self, body: bytes, found: Sequence[Values]) -> bool:
        """Whether the body has a colon for each key, and those within kept values."""
        if not self._besides or b"\\u003" in body:
            return False
        values = (value(one) for one in found for value in self._besides)
        besides = sum(map(_colons, values))
        return body.count(b":") == self._keys * len(found) + besides

    def kept(self, values: Values) -> tuple[Any, ...]:
        """The values of the keys to keep; None for one that the application does not have."""
        if not self._kept:
            return ()
        found = [value(values) for value in self._kept]
        return tuple(
            [
                None if one is msgspec.UNSET else one.value if isinstance(one, Category) else one
                for one in found
            ]
        )

    def plain(self, application: Any) -> Values | None:
        """The values of a dict, or None if the encoder must see it."""
        # msgspec takes any mapping, and a Decimal for a number; JSON has no Decimal.
        if type(application) is not dict or Decimal in map(type, application.values()):
            return None
        try:
            found: Values = msgspec.convert(application, self._shape)
        except (msgspec.ValidationError, UnicodeEncodeError, RecursionError):
            return None
        return found if self._are_listed([found]) else None

    def write(
        self, values: Values, cells: memoryview[float], octets: memoryview[int], index: int = 0
    ) -> None:
        """Write a row.

        Args:
            values: of one application.
            cells: float32 view of C-ordered rows.
            octets: bytes view of the same rows.
            index: which row.
        """
        start, length = index * self._n_features, len(self._blank)
        octets[index * length : (index + 1) * length] = self._blank
        given = astuple(values)
        for i, column in self._numbers:
            value = given[i]
            cells[start + column] = self._null if value is None else value + self._start
        for i in self._categories:
            cells[start + given[i].column] = self._one_is
        for i, one in self._one_writers:
            value = given[i]
            if value.__class__ is bool and i in self._flags:
                value = self._flags[i][value]
            one(value, cells, start)
        if self._mark is not None:
            self._mark(np.frombuffer(octets[index * length : (index + 1) * length], np.float32))

    def rows(self, applications: Sequence[Values]) -> Rows:
        """Rows of many applications: float32, (len(applications), n_features)."""
        values = self._matrix(applications)
        rows = np.empty((len(values), self._n_features), np.float32)
        rows[:] = np.frombuffer(self._blank, np.float32)
        rows[:, self._number_columns] = values[:, self._number_fields] + self._start
        ones = values[:, self._category_fields].astype(np.intp)
        rows[np.arange(len(rows))[:, np.newaxis], ones] = self._one_is
        for i, many in self._many_writers:
            many(values[:, i], rows)
        if self._mark is not None:
            self._mark(rows)
        return rows

    def _matrix(self, applications: Sequence[Values]) -> npt.NDArray[np.float64]:
        """Their values, a category's its column: float64, (len(applications), n_fields or more)."""
        packed = b"".join(starmap(self._packing.pack, self._filled(applications)))
        return np.frombuffer(packed).reshape(len(applications), self._packing.size // 8)

    def _filled(self, applications: Sequence[Values]) -> Iterator[tuple[Any, ...]]:
        """Their values, with the encoder's number for null."""
        nullable, flags = self._nullable, list(self._flags.items())
        for values in map(astuple, applications):
            filled = values
            for i, null in nullable:
                if values[i] is None:
                    filled = (*filled[:i], null, *filled[i + 1 :])
            if flags:
                for i, codes in flags:
                    if values[i].__class__ is bool:
                        filled = (*filled[:i], codes[values[i]], *filled[i + 1 :])
            yield filled


def _pieces(body: bytes) -> Iterator[bytes]:
    """Arrays that together have the elements of this one; not JSON if the body is not JSON.

    msgspec holds the GIL while it decodes one; between two of them the event loop runs.
    """
    start, opened = 0, b""
    while (end := body.find(b"},", start + PIECE_BYTES)) >= 0:
        # If this comma is within an application, the pieces are not JSON, and `many` returns None.
        yield b"%b%b}]" % (opened, body[start:end])
        start, opened = end + 2, b"["
    yield opened + body[start:] if start else body


def _colons(value: Any) -> int:
    """The colons that a key and its value have in JSON."""
    if value is msgspec.UNSET:
        return 0
    if isinstance(value, str):
        return 1 + value.count(":")
    return 1 + msgspec.json.encode(value).count(b":") if isinstance(value, dict | list) else 1


def _marked(encoder: Encoder, value: float) -> np.float32:
    cell = np.full(1, value, np.float32)
    encoder.mark(cell)
    found: np.float32 = cell[0]
    return found
