"""Bodies of bulk requests, and what their answers say."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable
from typing import Any

import httpx
import pyarrow as pa

from bentoml_ext.encoders.encoder import Application
from tests.support.servers import Server

__all__ = [
    "ARROW",
    "BOTH",
    "NDJSON",
    "arrow_of",
    "bulk",
    "ndjson_of",
    "old_bomb",
    "said",
    "stream_of",
]

ARROW = "application/vnd.apache.arrow.stream"
NDJSON = "application/x-ndjson"
BOTH = (ARROW, NDJSON)


def stream_of(*batches: pa.RecordBatch, schema: pa.Schema | None = None, **options: Any) -> bytes:
    """An Arrow IPC stream."""
    sink = pa.BufferOutputStream()
    written = pa.ipc.IpcWriteOptions(**options)
    with pa.ipc.new_stream(sink, schema or batches[0].schema, options=written) as writer:
        for batch in batches:
            writer.write_batch(batch)
    made: bytes = sink.getvalue().to_pybytes()
    return made


def arrow_of(applications: Iterable[Application]) -> bytes:
    """Applications as an Arrow IPC stream."""
    return stream_of(pa.RecordBatch.from_pylist([dict(one) for one in applications]))


def ndjson_of(applications: Iterable[Any]) -> bytes:
    """Applications as NDJSON."""
    return b"".join(json.dumps(one).encode() + b"\n" for one in applications)


def bulk(
    server: Server, kind: str, body: Any, *, query: str = "", headers: dict[str, str] | None = None
) -> httpx.Response:
    """The answer to a bulk request; a list is worded as its content type."""
    if isinstance(body, list):
        body = (arrow_of if kind == ARROW else ndjson_of)(body)
    headers = {"content-type": kind, **(headers or {})}
    return server.client.post(f"/classify_batch{query}", content=body, headers=headers)


def said(answer: httpx.Response) -> list[dict[str, Any]]:
    """What a good answer says of each application: `Status` and `probability`, perhaps `error`."""
    assert answer.status_code == 200, answer.text
    if answer.headers["content-type"] == NDJSON:
        return [json.loads(line) for line in answer.text.splitlines()]
    rows: list[dict[str, Any]] = pa.ipc.open_stream(answer.content).read_all().to_pylist()
    return rows


def old_bomb(size: int) -> bytes:
    """An Arrow stream as 0.17 compressed it, of one column `n`, whose zeros take so many bytes."""
    for rest in range(size, size + 4096, 8):
        packed = pa.compress(bytes(rest), codec="zstd", asbytes=True)
        if len(packed) % 8 == 0:
            break
    buffer = pa.py_buffer(struct.pack("<q", rest) + packed)
    column = pa.Array.from_buffers(pa.float64(), buffer.size // 8, [None, buffer])
    batch = pa.RecordBatch.from_arrays([column], ["n"])
    options = pa.ipc.IpcWriteOptions(metadata_version=pa.ipc.MetadataVersion.V4)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema, options=options) as writer:
        how = pa.KeyValueMetadata({"ARROW:experimental_compression": "zstd"})
        writer.write_batch(batch, custom_metadata=how)
    made: bytes = sink.getvalue().to_pybytes()
    return made
