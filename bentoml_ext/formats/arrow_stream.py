"""Arrow stream: an Arrow IPC stream as sound record batches.

A stream may come from a stranger: what is yielded is checked, and small.
"""

from __future__ import annotations

import struct
from collections.abc import Container, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

from bentoml_ext.errors import InvalidApplication
from bentoml_ext.formats.readable import Readable

# pyarrow may be absent where a service starts.
if TYPE_CHECKING:
    import pyarrow as pa

__all__ = [
    "BATCH_ROWS",
    "all_columns",
    "arrow_batches",
    "slices",
]

BATCH_ROWS = 16_384

MAX_VIEW_BYTES = 64 * 1024 * 1024
"""Texts of one slice: many views may share the same bytes, so that few make billions."""


MAX_SCALE = {32: 9, 64: 18, 128: 38, 256: 76}
"""Of a decimal of so many bits."""


def arrow_batches(
    file: Readable,
    wanted: Container[str] | None = None,
    max_rows: int = BATCH_ROWS,
    max_bytes: int | None = None,
) -> Iterator[pa.RecordBatch]:
    """The record batches of one Arrow IPC stream, as `sound_slices` gives them.

    Args:
        file: the stream, and nothing after it.
        wanted: names of the columns to yield; None for all.
        max_rows: of a batch; a longer one is cut.
        max_bytes: that compressed buffers may unpack to, all together; None for
            `MAX_UNPACKED_BYTES` of each record batch.

    Returns:
        First an empty one, whose columns are all that came, so that they are judged: those that are
        not wanted have no type.

    Raises:
        InvalidApplication: no such stream, a broken one, or a column of nested values: each value
            must be one number, text or time.
        TooLarge: compressed buffers unpack to more than `max_bytes`.
    """
    import pyarrow as pa

    from bentoml_ext.formats.arrow_limits import MAX_UNPACKED_BYTES, Messages

    with _worded():
        # One thread: the others are for other requests.
        options = pa.ipc.IpcReadOptions(use_threads=False)
        if max_bytes is None:
            looked_at = Messages(file, MAX_UNPACKED_BYTES, each=True)
        else:
            looked_at = Messages(file, max_bytes)
        reader = pa.ipc.open_stream(looked_at, options=options)
        names = reader.schema.names
        places = [i for i, name in enumerate(names) if wanted is None or name in wanted]
        schema = pa.schema([reader.schema.field(i) for i in places])
        _check_types(schema)
        yield all_columns(reader.schema, places)
        for batch in reader:
            columns = [batch.column(i) for i in places]
            yield from sound_slices(pa.RecordBatch.from_arrays(columns, schema=schema), max_rows)
    if file.read(1):
        raise InvalidApplication("one Arrow IPC stream", "more bytes after its end")


def all_columns(schema: pa.Schema, places: Sequence[int]) -> pa.RecordBatch:
    """No rows of every column, without the types of the columns at other places."""
    import pyarrow as pa

    kinds = [kind if at in places else pa.null() for at, kind in enumerate(schema.types)]
    nothing = [pa.nulls(0, kind) for kind in kinds]
    return pa.RecordBatch.from_arrays(nothing, schema.names)


def sound_slices(batch: pa.RecordBatch, max_rows: int = BATCH_ROWS) -> Iterator[pa.RecordBatch]:
    """A batch that came from anywhere, checked to the last offset, in slices.

    A slice's dictionaries are no longer than a slice may be. Whoever looks at all their texts in
    each slice, looks at no more than was sent.

    Raises:
        pyarrow.ArrowInvalid: damaged.
    """
    # Offsets and codes come from outside, and addresses are made of them.
    batch.validate(full=True)
    yield from slices(batch, max_rows)


def slices(batch: pa.RecordBatch, max_rows: int) -> Iterator[pa.RecordBatch]:
    """A sound batch in slices, with dictionaries no longer than a slice may be.

    Raises:
        pyarrow.ArrowInvalid: too long a text of views.
    """
    for start in range(0, len(batch), max_rows):
        part = batch.slice(start, max_rows)
        _check_views(part)
        yield _compact(_plain(part), max_rows)


def _plain(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The same values in columns that Arrow can pick from."""
    import pyarrow as pa

    from bentoml_ext.encoders.arrow_types import plain

    columns = [plain(column) for column in batch.columns]
    if [column.type for column in columns] == batch.schema.types:
        return batch
    return pa.RecordBatch.from_arrays(columns, batch.schema.names)


def _compact(batch: pa.RecordBatch, limit: int) -> pa.RecordBatch:
    """The same values, with no dictionary longer than `limit`."""
    import pyarrow as pa
    import pyarrow.compute as pc

    for place, field in enumerate(batch.schema):
        column = batch.column(place)
        if not pa.types.is_dictionary(field.type) or len(column.dictionary) <= limit:
            continue
        used = column.indices.unique().drop_null()
        codes = pc.index_in(column.indices, used).cast(field.type.index_type)
        texts = column.dictionary.take(used)
        shorter = pa.DictionaryArray.from_arrays(codes, texts, ordered=field.type.ordered)
        batch = batch.set_column(place, field, shorter)
    return batch


def _check_views(batch: pa.RecordBatch) -> None:
    import pyarrow as pa

    for column in batch.columns:
        texts = column.dictionary if pa.types.is_dictionary(column.type) else column
        if not (pa.types.is_string_view(texts.type) or pa.types.is_binary_view(texts.type)):
            continue
        # A view begins with its length.
        lengths = np.frombuffer(texts.buffers()[1] or b"", np.int32)[::4]
        total = lengths[texts.offset : texts.offset + len(texts)].sum(dtype=np.int64)
        if total > MAX_VIEW_BYTES:
            raise pa.ArrowInvalid(f"views of {total} bytes in {len(texts)} texts")


def _check_types(schema: pa.Schema) -> None:
    import pyarrow as pa

    for field in schema:
        kind = field.type.value_type if pa.types.is_dictionary(field.type) else field.type
        # Of nested values a few bytes can make billions.
        if pa.types.is_nested(kind) or isinstance(kind, pa.BaseExtensionType):
            raise InvalidApplication("a column of plain values", str(field.type), field.name)
        # Arrow cannot convert a decimal whose scale is out of range, as in a damaged schema.
        if pa.types.is_decimal(kind) and abs(kind.scale) > (most := MAX_SCALE[kind.bit_width]):
            got = f"a scale of {kind.scale}"
            raise InvalidApplication(f"a decimal of a scale up to {most}", got, field.name)
        try:
            pa.nulls(0, field.type)
        except KeyError:
            # Arrow has the type and pyarrow has not.
            raise InvalidApplication(
                "a column of plain values", str(field.type), field.name
            ) from None


@contextmanager
def _worded() -> Iterator[None]:
    """Arrow's errors as ours."""
    import pyarrow as pa

    try:
        yield
    except (pa.ArrowException, OSError, ValueError, struct.error) as error:
        reason = " ".join(str(error).split())[:200].rstrip(". ")
        got = f"one that cannot be read ({reason})"
        raise InvalidApplication("an Arrow IPC stream", got) from error
