"""Observing: with tracing, CORS and the access log the fast path answers, and says the same."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bentoml
import httpx
import pytest

from models.fields import EXAMPLE
from tests.support.servers import ROOT, Server, eventually, serve

SERVICE = """
import bentoml
import bentoml_ext
from bentoml._internal.configuration.containers import BentoMLContainer

OBSERVED = dict(
    tracing={{"exporter_type": "in_memory", "sample_rate": {rate}}},
    logging={{"access": {{"enabled": True}}}},
    http={{
        "cors": {{
            "enabled": True,
            "access_control_allow_origins": ["http://bank.example"],
            "access_control_allow_methods": ["POST"],
            "access_control_expose_headers": ["X-Backend"],
        }},
        "response": {{"trace_id": True}},
    }},
)

@bentoml_ext.service(name="observed", **OBSERVED)
class Observed(bentoml_ext.Classifier, model="credit_risk_model:latest"):
    @bentoml.api
    def spans(self) -> list[list[str]]:
        provider = BentoMLContainer.tracer_provider.get()
        provider.force_flush()
        (processor,) = provider._active_span_processor._span_processors
        found = processor.span_exporter.get_finished_spans()
        return [
            [format(span.context.trace_id, "032x"), format(span.context.span_id, "016x")]
            for span in found
            if span.name == "POST /classify"
        ]
"""
BODY = json.dumps(EXAMPLE).encode()
TRACE = "0af7651916cd43dd8448eb211c80319c"
ORIGIN = {"origin": "http://bank.example"}
REQUESTS: dict[str, tuple[bytes, dict[str, str]]] = {
    "plain": (BODY, {}),
    "wrong": (b"{}", {}),
    "an origin": (BODY, ORIGIN),
    "another origin": (BODY, {"origin": "http://elsewhere.example"}),
    "a wrong one of an origin": (b"{}", ORIGIN),
    "a trace that is not sampled": (BODY, {"traceparent": f"00-{TRACE}-b7ad6b7169203331-00"}),
    "a sampled trace": (BODY, {"traceparent": f"00-{TRACE}-b7ad6b7169203331-01"}),
    "a broken trace": (BODY, {"traceparent": "00-zz"}),
}


def observed(home: Path, folder: Path, rate: float, fastpath: str = "on") -> Any:
    (folder / "observed.py").write_text(SERVICE.format(rate=rate))
    variables = {"PYTHONPATH": str(ROOT), "FASTPATH": fastpath}
    return serve(home, "observed:Observed", cwd=folder, wait=Server.wait, **variables)


@pytest.fixture(scope="module")
def pair(
    home: Path, credit_model: bentoml.Model, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Server]]:
    """A server with the fast path and one without, that sample only what their callers do."""
    folder = tmp_path_factory.mktemp("observed")
    with observed(home, folder, 0.0) as on, observed(home, folder, 0.0, "off") as off:
        yield {"on": on, "off": off}


def send(server: Server, body: bytes, headers: dict[str, str], *, last: bool) -> httpx.Response:
    """An answer; the last one of a connection is none for the micro batcher."""
    fields = {"host": "x", "content-type": "application/json", **headers}
    fields |= {"content-length": str(len(body)), "connection": "close" if last else "keep-alive"}
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    with socket.create_connection(("127.0.0.1", server.port), 10) as connection:
        connection.sendall(f"POST /classify HTTP/1.1\r\n{head}\r\n".encode() + body)
        response = b""
        while b"\r\n\r\n" not in response or not response.endswith(b"}"):
            response += connection.recv(65536)
    answer, _, content = response.partition(b"\r\n\r\n")
    first, *lines = answer.decode().split("\r\n")
    pairs = [tuple(line.split(": ", 1)) for line in lines]
    return httpx.Response(int(first.split()[1]), headers=pairs, content=content)  # type: ignore[arg-type]


def line_of(server: Server, answer: httpx.Response) -> str:
    """The line of the access log that has an answer's id."""
    span = f"span={answer.headers['x-bentoml-request-id']},"

    def lines() -> list[str]:
        return [line for line in server.log.splitlines() if span in line]

    (line,) = eventually(lines)
    return line


def spans_of(server: Server, trace: str) -> list[str]:
    spans = server.client.post("/spans").json()
    return [span for of, span in spans if of == trace]


CHANCE = r"^\S+ |127\.0\.0\.1:\d+|[\d.]+ms|span=\w+|trace=(?!0af7651916cd43dd8448eb211c80319c)\w+"


@pytest.mark.parametrize("last", [False, True], ids=["wire", "asgi"])
@pytest.mark.parametrize("name", REQUESTS)
def test_an_observed_request_is_answered_and_logged_as_by_bentoml(
    pair: dict[str, Server], name: str, last: bool
) -> None:
    body, headers = REQUESTS[name]
    found = []
    for server in pair.values():
        answer = send(server, body, headers, last=last)
        kept = {k: v for k, v in answer.headers.items() if k != "date" and "-id" not in k}
        line = line_of(server, answer)
        assert f"trace={answer.headers['x-bentoml-trace-id']}," in line
        spans = spans_of(server, answer.headers["x-bentoml-trace-id"])
        is_sampled = answer.headers["x-bentoml-request-id"] in spans
        found.append(
            (answer.status_code, answer.content, kept, is_sampled, re.sub(CHANCE, "", line))
        )

    assert found[0] == found[1]
    assert found[0][3] is (name == "a sampled trace")


def test_the_fast_path_answers_all_of_that(pair: dict[str, Server]) -> None:
    assert pair["on"].client.get("/model").json()["fastpath"] is True
    assert pair["off"].client.get("/model").json()["fastpath"] is False


def test_a_preflight_is_bentomls(pair: dict[str, Server]) -> None:
    asked = {**ORIGIN, "access-control-request-method": "POST"}

    for server in pair.values():
        answer = server.client.options("/classify", headers=asked)
        assert (answer.status_code, answer.text) == (200, "OK")
        assert answer.headers["access-control-allow-methods"] == "POST"


@pytest.mark.parametrize("rate", [1.0, 0.5])
def test_the_share_that_is_sampled_has_spans_with_the_answers_ids(
    home: Path, credit_model: bentoml.Model, tmp_path: Path, rate: float
) -> None:
    with observed(home, tmp_path, rate) as server:
        ids = [
            # Every other one is refused, by BentoML: whether it is sampled is decided once.
            server.client.post("/classify", content=(BODY, b"{}")[n % 2]).headers
            for n in range(200)
        ]
        spans = {tuple(pair) for pair in server.client.post("/spans").json()}

    named = {(one["x-bentoml-trace-id"], one["x-bentoml-request-id"]) for one in ids}
    assert spans <= named
    # Fewer than 50 heads in 200 throws of a coin: once in 10^12.
    assert len(spans) == 200 if rate == 1 else 50 <= len(spans) <= 150
