"""Reader: the short way from JSON to rows, for applications that are plainly right.

msgspec checks and decodes in one step, by types made from the encoder's fields. Whatever it does
not take, right or wrong, is None here and goes the encoder's own way, which knows every case and
words every error. What it takes gives the encoder's bits.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from typing import Annotated, Any, Literal, TypeAlias, cast

import msgspec
import numpy as np
import numpy.typing as npt

from bentoml_ext.arrays import Rows
from bentoml_ext.encoder import FILL, Encoder
from bentoml_ext.field import Field

__all__ = ["Reader", "Values"]

Values: TypeAlias = tuple[Any, ...]
"""An application's values in the order of the encoder's fields: float, str, or None for null."""


class Reader:
    """Reads applications for one encoder.

    Args:
        encoder: whose fields and columns they are.
        keep: other keys that an application may have, and whose values are wanted.
    """

    def __init__(self, encoder: Encoder, keep: Sequence[str] = ()) -> None:
        known = [field.name for field in encoder.fields]
        known += [name for name in keep if name not in known]
        kinds = [(_type_of(field),) for field in encoder.fields]
        others = [(Any, None)] * (len(known) - len(kinds))
        fields = [(f"field_{i}", *kind) for i, kind in enumerate([*kinds, *others])]
        names = {f"field_{i}": name for i, name in enumerate(known)}
        self._kept = [known.index(name) for name in keep]
        # An unknown key is skipped without a look at its text, which might not be UTF-8: refuse it
        # here, and let the encoder ignore it.
        shape = msgspec.defstruct(
            "Application", fields, rename=names, forbid_unknown_fields=True, gc=False
        )
        self._shape = shape
        self._one = msgspec.json.Decoder(shape)
        self._many = msgspec.json.Decoder(list[shape])  # type: ignore[valid-type]
        self._null = FILL[encoder.null]
        # As in Encoder.rows: -0.0 is 0.0 in a dense row, and itself in a sparse one.
        self._start = 0.0 if encoder.absent == "zero" else -0.0
        self._blank = np.full(encoder.n_features, FILL[encoder.absent], np.float32).tobytes()
        self._n_features = encoder.n_features
        self._numbers = [
            (i, encoder.columns[field.name])
            for i, field in enumerate(encoder.fields)
            if not field.categories
        ]
        self._categories = [
            (
                i,
                {
                    c: encoder.columns[f"{field.name}{encoder.separator}{c}"]
                    for c in field.categories
                },
            )
            for i, field in enumerate(encoder.fields)
            if field.categories
        ]

    def one(self, body: bytes) -> Values | None:
        """The values of a JSON object, or None if the encoder must see it."""
        try:
            return msgspec.structs.astuple(self._one.decode(body))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None

    def many(self, body: bytes) -> list[Values] | None:
        """The values of a JSON array of objects, or None if the encoder must see it."""
        try:
            return list(map(msgspec.structs.astuple, self._many.decode(body)))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None

    def lines(self, body: bytes) -> list[Values] | None:
        """The values of NDJSON, an object on every line, or None if the encoder must see it."""
        try:
            found = self._one.decode_lines(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None
        # An object on two lines, or two on one, is no NDJSON: each line begins one, and is one.
        lines = body.count(b"\n") + (not body.endswith(b"\n"))
        if not len(found) == lines == body.count(b"\n{") + body.startswith(b"{"):
            return None
        return list(map(msgspec.structs.astuple, found))

    def kept(self, values: Values) -> Values:
        """The values of the keys to keep; None for one that the application does not have."""
        return tuple([values[i] for i in self._kept])

    def plain(self, application: Any) -> Values | None:
        """The values of a dict, or None if the encoder must see it."""
        try:
            return msgspec.structs.astuple(msgspec.convert(application, self._shape))
        except (msgspec.ValidationError, RecursionError):
            return None

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
        for i, column in self._numbers:
            value = values[i]
            cells[start + column] = self._null if value is None else value + self._start
        for i, columns in self._categories:
            cells[start + columns[values[i]]] = 1.0

    def rows(self, applications: Sequence[Values]) -> Rows:
        """Rows of many applications: float32, (len(applications), n_features)."""
        blank = np.frombuffer(self._blank, np.float32)
        rows = np.empty((len(applications), self._n_features), np.float32)
        rows[:] = blank
        if not applications:
            return rows
        columns = list(zip(*applications, strict=True))
        for i, column in self._numbers:
            rows[:, column] = self._float64(columns[i]) + self._start
        cells, starts = rows.reshape(-1), np.arange(len(applications)) * self._n_features
        for i, where in self._categories:
            places = np.fromiter(map(where.__getitem__, columns[i]), np.int64, len(applications))
            cells[starts + places] = 1.0
        return rows

    def _float64(self, values: Sequence[float | None]) -> npt.NDArray[np.float64]:
        try:
            # In a third of the time of np.array.
            return np.frombuffer(array("d", cast("Sequence[float]", values)))
        except TypeError:
            given = [self._null if value is None else value for value in values]
            return np.array(given, np.float64)


def _type_of(field: Field) -> Any:
    """What msgspec may take for a field: nothing that the encoder would refuse."""
    if field.categories:
        # No null: it leaves no trace in a row, and the encoder knows how.
        return Literal[field.categories]
    low, high = field.plain
    kind: Any = Annotated[float, msgspec.Meta(ge=low, le=high)]
    return kind | None if field.nullable else kind
