"""Arrow codec: record batches, answered by record batches with a row for each application."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from bentoml_ext.arrays import block_rows
from bentoml_ext.encoders.arrow_columns import ColumnEncoder
from bentoml_ext.encoders.encoder import Encoded
from bentoml_ext.formats.answers import Answers
from bentoml_ext.formats.arrow_stream import arrow_batches
from bentoml_ext.formats.readable import Readable
from bentoml_ext.scoring.scorer import Scorer
from bentoml_ext.serving.streaming.codec import ARROW, ROWS, Format
from bentoml_ext.serving.streaming.results import Block, ScoredStream

__all__ = ["ERROR", "Arrow"]

ERROR = "error"
"""Column with the message of a refusal; only where refusals are reported."""


class Arrow(Format):
    """An Arrow IPC stream; a column without a field is ignored."""

    media_type = ARROW

    def __init__(self, scorer: Scorer) -> None:
        self._encoder = scorer.encoder
        self._answers = Answers(scorer.decider)

    def encoded(self, file: Readable, max_bytes: int) -> Iterator[Encoded]:
        encoder = ColumnEncoder(self._encoder)
        rows = block_rows(self._encoder.n_features, ROWS)
        for batch in arrow_batches(file, self._encoder.names, rows, max_bytes):
            yield encoder.encode(batch)

    def answer(self, stream: ScoredStream, *, report: bool) -> Iterator[bytes]:
        schema, buffer = self._answers.schema, _OutputBuffer()
        if report:
            schema = schema.append(pa.field(ERROR, pa.string()))
        with pa.ipc.new_stream(buffer, schema) as writer:
            for block in stream.blocks:
                batch = self._answers.batch(block.margins)
                writer.write_batch(_reported(batch, block, schema) if report else batch)
                yield buffer.taken()
        yield buffer.taken()


class _OutputBuffer:
    """Collects written bytes until they are taken."""

    closed = False

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def write(self, data: pa.Buffer) -> int:
        self._pieces.append(bytes(data))
        return len(data)

    def taken(self) -> bytes:
        whole = b"".join(self._pieces)
        self._pieces.clear()
        return whole

    def flush(self) -> None:
        """Do nothing: pyarrow calls it."""

    def close(self) -> None:
        """Do nothing: pyarrow calls it."""


def _reported(batch: pa.RecordBatch, block: Block, schema: pa.Schema) -> pa.RecordBatch:
    """The answers, with a row of nulls and a message for each refused application."""
    refused = block.refused
    bad = np.zeros(len(batch) + len(refused), np.bool_)
    bad[list(refused)] = True
    columns = batch.take(pa.array(np.cumsum(~bad) - 1, mask=bad)).columns
    errors = [str(refused[place]) if place in refused else None for place in range(len(bad))]
    return pa.RecordBatch.from_arrays([*columns, pa.array(errors, pa.string())], schema=schema)
