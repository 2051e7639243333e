"""Blocks: the rows of a check as features, by columns where that is the same, and quicker."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

import numpy as np

from bentoml_ext.acceptance.given import Given
from bentoml_ext.arrays import block_rows
from bentoml_ext.encoders.arrow_columns import ColumnEncoder
from bentoml_ext.encoders.encoder import Encoded, Encoder
from bentoml_ext.errors import InvalidApplication

__all__ = ["encode", "encoded_blocks"]

MOST_ROWS: Final = 16_384
SPOT_ROWS: Final = 16
"""Rows of a block that the one-application encoder writes, too, where the columns' own did."""


def encoded_blocks(
    encoder: Encoder, given: Given, without: Sequence[str]
) -> Iterator[tuple[int, Encoded, int]]:
    """Rows of features, block by block, with the first of each block and how many there are.

    Args:
        encoder: application to row; its `wrong` says what is refused.
        given: the rows of a file.
        without: names of the columns outside an application.
    """
    columns = ColumnEncoder(encoder, text_numbers=given.text_numbers)
    size = block_rows(encoder.n_features, MOST_ROWS)
    for start in range(0, len(given), size):
        stop = min(start + size, len(given))
        encoded = _by_columns(columns, encoder, given, range(start, stop), without)
        if encoded is None:
            applications = given.applications(np.arange(start, stop), encoder.fields, without)
            encoded = encode(encoder, applications)
        yield start, encoded, stop - start


def encode(encoder: Encoder, applications: Sequence[Any]) -> Encoded:
    """Rows and refusals, one application after the other; of each the first refusal."""
    refused: list[InvalidApplication] = []
    good = []
    for index, application in enumerate(applications):
        error = next(encoder.wrong(application), None)
        if error is None:
            good.append(application)
        else:
            refused.append(error.at(index))
    return Encoded(encoder.rows(good), refused)


def _by_columns(
    columns: ColumnEncoder, encoder: Encoder, given: Given, rows: range, without: Sequence[str]
) -> Encoded | None:
    """A block by its columns; None where the one-application encoder has the word."""
    names = [*(field.name for field in encoder.fields), *encoder.one_hot]
    batch = given.batch(rows.start, rows.stop, names)
    if batch is None:
        return None
    try:
        encoded = columns.encode(batch)
    except InvalidApplication:
        return None
    if encoded.refused:
        return None
    spots = np.linspace(0, len(rows) - 1, SPOT_ROWS).astype(np.int64)
    singly = encode(encoder, given.applications(rows.start + spots, encoder.fields, without))
    same = not singly.refused and np.array_equal(singly.rows, encoded.rows[spots], equal_nan=True)
    return encoded if same else None
