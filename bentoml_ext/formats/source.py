"""Source: what an opened file of applications is to whoever scores it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import IO, Any

import pyarrow as pa

from bentoml_ext.arrays import block_rows
from bentoml_ext.choices import like, some_of
from bentoml_ext.encoders.arrow_types import plain_type
from bentoml_ext.encoders.encoder import Encoder
from bentoml_ext.errors import ColumnMissing
from bentoml_ext.formats.blocks import BLOCK_ROWS, Block, Blocks

__all__ = ["Opened", "Source", "bytes_of", "kept_columns", "nothing_of", "rows_of"]


@dataclass(frozen=True)
class Opened:
    """A file that is open.

    Args:
        kind: of the blocks.
        columns: of columnar formats, all that the file has, with the types of those that are
            wanted; of NDJSON those to keep.
        blocks, total, position: as in `Source`.
    """

    kind: type[Blocks[Any]]
    columns: pa.Schema
    blocks: Iterator[Block]
    total: int | None
    position: Callable[[], int]


@dataclass(frozen=True)
class Source:
    """Applications to come.

    Args:
        kind: of the blocks.
        kept: the columns to keep, and their types.
        blocks: the applications, in order.
        total: how many steps of progress there are; None where nobody knows.
        position: how many of them are done.
    """

    kind: type[Blocks[Any]]
    kept: pa.Schema
    blocks: Iterator[Block]
    total: int | None
    position: Callable[[], int]


def kept_columns(schema: pa.Schema, keep: Sequence[str]) -> pa.Schema:
    """The columns to keep, in the types that they are written in.

    Raises:
        ColumnMissing: one is not there, or twice.
    """
    for name in keep:
        if schema.names.count(name) != 1:
            near = like(name, schema.names)
            hint = f" Did you mean {near!r}?" if near not in (None, name) else ""
            raise ColumnMissing(
                f"Expected one of the columns {some_of(schema.names)}, got '{name}' - at --keep."
                f"{hint}",
                name,
            )
    return pa.schema([(name, plain_type(schema.field(name).type)) for name in keep])


def nothing_of(schema: pa.Schema) -> pa.RecordBatch:
    """A block without rows: names the columns of a file without blocks."""
    nothing = [pa.nulls(0, kind) for kind in schema.types]
    return pa.RecordBatch.from_arrays(nothing, schema=schema)


def rows_of(encoder: Encoder) -> int:
    """Rows of a block of columns."""
    return block_rows(encoder.n_features, BLOCK_ROWS)


def bytes_of(file: IO[bytes]) -> tuple[int | None, Callable[[], int]]:
    """The bytes of a file, and a function that counts those read; None and 0 for a pipe."""
    if not file.seekable():
        return None, lambda: 0
    return os.fstat(file.fileno()).st_size, file.tell
