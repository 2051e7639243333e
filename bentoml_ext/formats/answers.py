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
    """

    def __init__(self, decider: Decider, tag: str = "") -> None:
        self._decider = decider
        self._columns = decider.schema.columns
        self._texts = {column.name: pa.array(column.values) for column in self._columns}
        self._tag = pa.array([tag])
        fields = [pa.field(column.name, _type_of(column)) for column in self._columns]
        if tag:
            self._margin = _margin_column(decider.n_margins)
            fields += [pa.field(MARGIN, _type_of(self._margin)), pa.field(MODEL, TEXTS)]
        self.schema = pa.schema(fields)

    def batch(self, margins: Margins) -> pa.RecordBatch:
        """One row for each margin, as `schema` says.

        Args:
            margins: float32, (n, n_margins).
        """
        found = self._decider.columns(margins)
        columns = [self._array(column, found[column.name]) for column in self._columns]
        if MODEL in self.schema.names:
            codes = pa.array(np.zeros(len(margins), np.int8))
            of_rows = margins[:, 0] if margins.shape[1] == 1 else margins
            columns += [_numbers(of_rows), pa.DictionaryArray.from_arrays(codes, self._tag)]
        return pa.RecordBatch.from_arrays(columns, schema=self.schema)

    def _array(self, column: Column, values: npt.NDArray[Any]) -> pa.Array:
        if column.kind != "text":
            return _numbers(values)
        codes = pa.array(values.astype(np.int8))
        return pa.DictionaryArray.from_arrays(codes, self._texts[column.name])


def _margin_column(n_margins: int) -> Column:
    return Column(MARGIN, "number" if n_margins == 1 else "numbers", count=n_margins)


def _type_of(column: Column) -> pa.DataType:
    """A text's codes, a float32, or a list of as many as there are."""
    if column.kind == "text":
        return TEXTS
    return pa.float32() if column.kind == "number" else pa.list_(pa.float32(), column.count)


def _numbers(values: npt.NDArray[np.float32]) -> pa.Array:
    """float32, (n,) or (n, k)."""
    flat = pa.array(values.reshape(-1))
    return flat if values.ndim == 1 else pa.FixedSizeListArray.from_arrays(flat, values.shape[1])
