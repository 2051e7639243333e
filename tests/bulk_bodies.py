"""Bodies of bulk requests, and what their answers say."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import httpx
import pyarrow as pa

from bentoml_ext.encoder import Application
from tests.servers import Server

__all__ = ["ARROW", "BOTH", "NDJSON", "arrow_of", "bulk", "ndjson_of", "said", "stream_of"]

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
