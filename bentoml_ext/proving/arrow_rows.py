"""Arrow rows: applications as Arrow record batches, whose rows must be those of the encoder."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from bentoml_ext.arrays import Rows
from bentoml_ext.encoders.encoder import Application, Encoder
from bentoml_ext.proof.bits import BitComparison
from bentoml_ext.proof.record import SERVICE

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["compare_arrow"]


def compare_arrow(
    encoder: Encoder, applications: Sequence[Application], rows: Rows
) -> BitComparison:
    """The rows of ColumnEncoder against those of Encoder; of none where pyarrow is not installed.

    Args:
        encoder: of both.
        applications: valid ones.
        rows: what `encoder.rows` makes of them.
    """
    comparison = BitComparison("columns", SERVICE, "Arrow, ColumnEncoder: the rows of Encoder")
    if not importlib.util.find_spec("pyarrow") or not applications:
        return comparison
    from bentoml_ext.encoders.arrow_columns import ColumnEncoder

    columns = ColumnEncoder(encoder)
    for batch in _batches(encoder, applications):
        encoded = columns.encode(batch)
        refused = [str(error) for error in encoded.refused]
        comparison.texts("refusal", [], refused)
        if not refused:
            comparison.compare("row", rows, encoded.rows, rows)
        comparison.seen(len(rows))
    return comparison


def _batches(encoder: Encoder, applications: Sequence[Application]) -> Iterator[pa.RecordBatch]:
    """All of them twice: categories as text, then as dictionary codes."""
    import pyarrow as pa

    columns = {
        field.name: pa.array([_plain(application[field.name]) for application in applications])
        for field in encoder.fields
    }
    yield pa.RecordBatch.from_pydict(columns)
    yield pa.RecordBatch.from_pydict(
        {
            name: column.dictionary_encode() if pa.types.is_string(column.type) else column
            for name, column in columns.items()
        }
    )


def _plain(value: Any) -> Any:
    """An int, or true and false, as the float64 that an encoder makes of it.

    A column of Arrow's has one type, and its ints are of 64 bits.
    """
    return float(value) if isinstance(value, int | np.integer) else value
