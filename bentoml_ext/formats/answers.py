"""Answers: margins become the columns of an Arrow record batch."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from bentoml_ext.arrays import Margins
from bentoml_ext.decisions.base import Column, Decider

__all__ = ["MARGIN", "MODEL", "Answers"]

MARGIN = "margin"
MODEL = "model"
TEXTS = pa.dictionary(pa.int8(), pa.string())


class Answers:
    """Makes the columns of answers by one decider, of one model.

    Args:
        decider: margins to answers; its schema says which columns there are.
        tag: of the model, for the column `model`; empty for no such column, and no margins.
        flat: whether each of several numbers has a column of its own, as `probabilities.yes`.
    """

    def __init__(self, decider: Decider, tag: str = "", *, flat: bool = False) -> None:
        self._decider = decider
        self._columns = decider.schema.columns
        self._flat = flat
        self._values = {column.name: pa.array(column.values) for column in self._columns}
        self._tag = pa.array([tag])
        self._margins = (_margin_column(decider.n_margins),) if tag else ()
        numbered = (*self._columns, *self._margins)
        fields = [field for column in numbered for field in self._fields(column)]
        self.schema = pa.schema([*fields, *([pa.field(MODEL, TEXTS)] if tag else [])])

    def batch(self, margins: Margins) -> pa.RecordBatch:
        """One row for each margin, as `schema` says.

        Args:
            margins: float32, (n, n_margins).
        """
        found = self._decider.columns(margins)
        columns = [
            array for column in self._columns for array in self._arrays(column, found[column.name])
        ]
        for margin in self._margins:
            codes = pa.array(np.zeros(len(margins), np.int8))
            of_rows = margins[:, 0] if margin.kind == "number" else margins
            columns += self._arrays(margin, of_rows)
            columns.append(pa.DictionaryArray.from_arrays(codes, self._tag))
        return pa.RecordBatch.from_arrays(columns, schema=self.schema)

    def _fields(self, column: Column) -> list[pa.Field]:
        if self._flat and column.kind == "numbers":
            return [pa.field(f"{column.name}.{name}", pa.float32()) for name in _names(column)]
        return [pa.field(column.name, _type_of(column))]

    def _arrays(self, column: Column, values: npt.NDArray[Any]) -> list[pa.Array]:
        if column.kind == "text":
            codes = pa.array(values.astype(np.int8))
            values_of = self._values[column.name]
            if column.is_whole:
                return [values_of.take(codes)]
            return [pa.DictionaryArray.from_arrays(codes, values_of)]
        if column.kind == "number":
            return [pa.array(values)]
        if not (self._flat or column.each):
            return [pa.FixedSizeListArray.from_arrays(pa.array(values.reshape(-1)), column.count)]
        each = [pa.array(np.ascontiguousarray(one)) for one in values.T]
        return each if self._flat else [pa.StructArray.from_arrays(each, names=_names(column))]


def _margin_column(n_margins: int) -> Column:
    return Column(MARGIN, "number" if n_margins == 1 else "numbers", count=n_margins)


def _type_of(column: Column) -> pa.DataType:
    """A text's codes, a whole number, a float32, or several: by name as in JSON, or a list."""
    if column.kind == "text":
        return pa.int64() if column.is_whole else TEXTS
    if column.kind == "number":
        return pa.float32()
    if column.each:
        return pa.struct([pa.field(name, pa.float32()) for name in column.each])
    return pa.list_(pa.float32(), column.count)


def _names(column: Column) -> list[str]:
    """Of several numbers, by what each is of, or by its place."""
    return list(column.each or map(str, range(column.count)))
