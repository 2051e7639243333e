"""Applications: a Parquet file of them, as large as wanted, as pandas would have written it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from bentoml_ext.encoders.field import Field
from models.synthetic import generate

__all__ = ["write"]

# pyarrow's own size of a row group.
PART_ROWS = 1024 * 1024


def write(path: Path, rows: int, fields: Sequence[Field]) -> None:
    """Write generated applications with their number as `id`, in memory for one row group.

    Everything is pyarrow's default: snappy, dictionary pages, row groups of 1 Mi rows. Categories
    are plain strings, numbers int64, or float64 with nulls.

    Args:
        path: to write.
        rows: how many; the first ones are the same whatever the number.
        fields: of the model's encoder, so that no category is unknown to it.
    """
    with pq.ParquetWriter(path, _part(0, 1, fields).schema) as writer:
        for start in range(0, rows, PART_ROWS):
            writer.write_table(_part(start, min(PART_ROWS, rows - start), fields))


def _part(start: int, rows: int, fields: Sequence[Field]) -> pa.Table:
    drawn = generate(rows, start=start, fields=fields).to_arrow()
    columns = {
        name: column.dictionary_decode() if pa.types.is_dictionary(column.type) else column
        for name, column in zip(drawn.schema.names, drawn.columns, strict=True)
    }
    return pa.table({"id": np.arange(start, start + rows)} | columns)
