"""Many applications in one request, as Arrow or as NDJSON: answered, refused or reported."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bentoml
import httpx
import numpy as np
import pyarrow as pa
import pytest

from bentoml_ext.encoders.encoder import Application
from models.fields import EXAMPLE
from models.synthetic import Portfolio, generate
from models.training import Trained
from tests.support.bulk_bodies import (
    ARROW,
    BOTH,
    NDJSON,
    arrow_of,
    bulk,
    ndjson_of,
    said,
    stream_of,
)
from tests.support.servers import Server, serve

JSON = {"content-type": "application/json"}
MAX_ROWS, MAX_BYTES = 1000, 300_000


@pytest.fixture(scope="module")
def generated(trained: Trained) -> Portfolio:
    """10 000 applications of the categories that the model knows."""
    return generate(10_000, fields=trained.encoder.fields)


@pytest.fixture(scope="module")
def portfolio(generated: Portfolio) -> list[Application]:
    """The same, as a client would send them."""
    return generated.applications()


@pytest.fixture(scope="module")
def small(home: Path, credit_model: bentoml.Model) -> Iterator[Server]:
    """A server of low limits, without the fast path."""
    rows, size = str(MAX_ROWS), str(MAX_BYTES)
    with serve(home, FASTPATH="off", MAX_BULK_ROWS=rows, MAX_BULK_BYTES=size) as server:
        yield server


def batch_of(server: Server, applications: list[Any]) -> httpx.Response:
    return server.client.post("/classify_batch", content=json.dumps(applications), headers=JSON)


def bits(answers: list[dict[str, Any]]) -> tuple[list[str], list[int]]:
    """Statuses, and the float32 bits of the probabilities."""
    probabilities = np.array([answer["probability"] for answer in answers], np.float32)
    return [answer["Status"] for answer in answers], probabilities.view(np.uint32).tolist()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["onnx_server", "xgboost_server"])
def test_ten_thousand_applications_get_the_answers_of_a_json_batch(
    request: pytest.FixtureRequest, name: str, generated: Portfolio, portfolio: list[Application]
) -> None:
    server: Server = request.getfixturevalue(name)
    expected = batch_of(server, portfolio).json()
    columns = bulk(server, ARROW, stream_of(generated.to_arrow()))

    assert said(bulk(server, NDJSON, portfolio)) == expected
    assert bits(said(columns)) == bits(expected)


def test_a_line_is_the_bytes_that_classify_answers(
    onnx_server: Server, portfolio: list[Application]
) -> None:
    lines = bulk(onnx_server, NDJSON, portfolio[:50]).content.split(b"\n")

    for application, line in zip(portfolio[:50], lines[:50], strict=True):
        assert onnx_server.client.post("/classify", json=application).content == line
    assert lines[50:] == [b""]


def test_an_arrow_answer_is_codes_and_float32(onnx_server: Server) -> None:
    answer = bulk(onnx_server, ARROW, [EXAMPLE])

    schema = pa.ipc.open_stream(answer.content).schema
    assert schema.names == ["Status", "probability"]
    assert schema.types == [pa.dictionary(pa.int8(), pa.string()), pa.float32()]


@pytest.mark.parametrize("kind", BOTH)
def test_headers_say_who_answered_how_many(
    onnx_server: Server, credit_model: bentoml.Model, kind: str
) -> None:
    answer = bulk(onnx_server, kind, [EXAMPLE] * 3)

    single = onnx_server.client.post("/classify", json=EXAMPLE).headers
    for name in ("x-model-tag", "x-backend", "server"):
        assert answer.headers[name] == single[name]
    assert answer.headers["content-type"] == kind
    assert (answer.headers["x-scored"], answer.headers["x-refused"]) == ("3", "0")
    assert len(answer.headers["x-bentoml-request-id"]) == 16


@pytest.mark.parametrize("kind", [*BOTH, NDJSON.upper(), f"{NDJSON}; charset=utf-8"])
def test_the_fast_path_makes_no_difference(small: Server, onnx_server: Server, kind: str) -> None:
    body = (arrow_of if kind == ARROW else ndjson_of)([EXAMPLE] * 5)

    assert bulk(small, kind, body).content == bulk(onnx_server, kind, body).content
    assert bulk(small, kind, body).status_code == 200


@pytest.mark.parametrize("index", [0, 4567, 9999])
@pytest.mark.parametrize("kind", BOTH)
def test_one_bad_application_refuses_all_as_in_a_json_batch(
    onnx_server: Server, portfolio: list[Application], kind: str, index: int
) -> None:
    wrong = [*portfolio[:index], {**portfolio[index], "age": -1}, *portfolio[index + 1 :]]

    answer = bulk(onnx_server, kind, wrong)

    expected = batch_of(onnx_server, wrong)
    assert (answer.status_code, answer.json()["index"]) == (400, index)
    assert answer.json()["error"] == expected.json()["error"]
    assert answer.headers["x-backend"] == "onnx"


@pytest.mark.parametrize("kind", BOTH)
def test_bad_applications_are_reported_in_their_places_on_request(
    onnx_server: Server, portfolio: list[Application], kind: str
) -> None:
    wrong: list[Any] = list(portfolio)
    for index in (0, 17, 9000, 9999):
        wrong[index] = {**portfolio[index], "age": -1, "home": "castle"}

    answer = bulk(onnx_server, kind, wrong, query="?on_error=report")

    told, expected = said(answer), said(bulk(onnx_server, kind, portfolio))
    assert (answer.headers["x-scored"], answer.headers["x-refused"]) == ("9996", "4")
    for index, (given, good) in enumerate(zip(told, expected, strict=True)):
        error = given.pop("error", None)
        if index in (0, 17, 9000, 9999):
            assert f"\"castle\" - at field 'home' of application {index}." in error
            assert given.get("probability") is None
        else:
            assert (error, given) == (None, good)


def test_a_reported_line_is_the_body_of_a_400(onnx_server: Server) -> None:
    lines = ndjson_of([EXAMPLE]) + b"{\n\n[]\n" + ndjson_of([{**EXAMPLE, "age": None}])

    told = said(bulk(onnx_server, NDJSON, lines, query="?on_error=report"))

    assert [line.get("index") for line in told] == [None, 1, 2, 3]
    for line, index in ((lines, 1), (ndjson_of([EXAMPLE] * 2) + b"[]", 2)):
        assert bulk(onnx_server, NDJSON, line).json() == told[index]
    assert told[3]["field"] == "age"


@pytest.mark.slow
def test_every_application_may_be_wrong(onnx_server: Server) -> None:
    answer = bulk(onnx_server, NDJSON, b"{}\n" * 50_000, query="?on_error=report")

    assert (answer.headers["x-scored"], answer.headers["x-refused"]) == ("0", "50000")
    assert said(answer)[-1]["index"] == 49_999


@pytest.mark.parametrize("kind", BOTH)
def test_another_way_with_errors_is_400(onnx_server: Server, kind: str) -> None:
    answer = bulk(onnx_server, kind, [EXAMPLE], query="?on_error=ignore")

    assert answer.status_code == 400
    assert answer.json()["error"] == "Expected 'fail' or 'report', got \"ignore\" - at on_error."


@pytest.mark.parametrize("query", ["", "?on_error=report"])
def test_no_application_has_no_answer(onnx_server: Server, query: str) -> None:
    schema = pa.RecordBatch.from_pylist([dict(EXAMPLE)]).schema

    assert said(bulk(onnx_server, NDJSON, b"", query=query)) == []
    assert said(bulk(onnx_server, NDJSON, b" \n\n", query=query)) == []
    assert said(bulk(onnx_server, ARROW, stream_of(schema=schema), query=query)) == []


ONE = arrow_of([EXAMPLE])
BROKEN = {
    "empty": b"",
    "text": b"hello, this is no stream",
    "JSON": ndjson_of([EXAMPLE]),
    "zeros": bytes(500),
    "ones": b"\xff" * 500,
    "random": random.Random(3).randbytes(5000),  # noqa: S311
    "cut in the schema": ONE[:100],
    "cut in a batch": ONE[:-100],
    "a file": b"ARROW1\0\0" + ONE,
    "twice": ONE + ONE,
}


@pytest.mark.parametrize("name", BROKEN)
@pytest.mark.parametrize("query", ["", "?on_error=report"])
def test_what_is_no_arrow_stream_is_400(onnx_server: Server, name: str, query: str) -> None:
    answer = bulk(onnx_server, ARROW, BROKEN[name], query=query)

    assert answer.status_code == 400
    assert "Arrow IPC stream, got" in answer.json()["error"]


@pytest.mark.parametrize("rows", [0, 1])
def test_a_missing_column_is_named(onnx_server: Server, rows: int) -> None:
    short = pa.RecordBatch.from_pylist([dict(EXAMPLE)] * rows, ARROW_SCHEMA).drop_columns(["age"])

    answer = bulk(onnx_server, ARROW, stream_of(short), query="?on_error=report")

    assert (answer.status_code, answer.json()["field"]) == (400, "age")


ARROW_SCHEMA = pa.RecordBatch.from_pylist([dict(EXAMPLE)]).schema


def test_damaged_streams_are_refused_or_scored_and_the_worker_lives(
    onnx_server: Server, generated: Portfolio
) -> None:
    whole = stream_of(generated.to_arrow().slice(0, 50))
    pick = random.Random(11)  # noqa: S311
    statuses = []
    for _ in range(300):
        damaged = bytearray(whole)
        for _ in range(pick.choice([1, 3, 20])):
            damaged[pick.randrange(len(damaged))] = pick.randrange(256)
        statuses.append(bulk(onnx_server, ARROW, bytes(damaged)).status_code)

    assert set(statuses) <= {200, 400, 413}
    assert statuses.count(400) > 30
    assert len(said(bulk(onnx_server, ARROW, ONE))) == 1


@pytest.mark.parametrize("codec", ["lz4", "zstd"])
def test_a_compressed_stream_is_read(onnx_server: Server, generated: Portfolio, codec: str) -> None:
    batch = generated.to_arrow()

    answer = bulk(onnx_server, ARROW, stream_of(batch, compression=codec))

    assert answer.content == bulk(onnx_server, ARROW, stream_of(batch)).content


@pytest.mark.parametrize("kind", BOTH)
def test_the_limit_of_rows_is_taken_and_one_more_is_413(small: Server, kind: str) -> None:
    most = (arrow_of if kind == ARROW else ndjson_of)([EXAMPLE] * MAX_ROWS)

    assert len(said(bulk(small, kind, most))) == MAX_ROWS
    answer = bulk(small, kind, [EXAMPLE] * (MAX_ROWS + 1))
    assert answer.status_code == 413
    assert "at most 1000 applications" in answer.json()["error"]
    assert "bentoml ext score" in answer.json()["error"]


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("kind", BOTH)
def test_a_body_over_the_limit_of_bytes_is_413(small: Server, kind: str, chunked: bool) -> None:
    noted = [{**EXAMPLE, "note": "x" * 60_000}] * 6
    body = (arrow_of if kind == ARROW else ndjson_of)(noted)
    parts = (body[at : at + 9999] for at in range(0, len(body), 9999))

    answer = bulk(small, kind, parts if chunked else body)

    assert answer.status_code == 413
    assert f"at most {MAX_BYTES} bytes" in answer.json()["error"]


@pytest.mark.parametrize("chunked", [False, True])
def test_a_refusal_reaches_a_client_that_sends_everything_first(
    small: Server, onnx_server: Server, chunked: bool
) -> None:
    body = b"{}\n" + ndjson_of([EXAMPLE] * 1000) * 100

    for server, status in ((onnx_server, 400), (small, 413)):
        parts = (body[at : at + 65536] for at in range(0, len(body), 65536))
        answer = bulk(server, NDJSON, parts if chunked else body)

        assert answer.status_code == status
        assert said(bulk(server, NDJSON, [EXAMPLE]))


def test_a_few_bytes_that_unpack_to_many_are_413(onnx_server: Server) -> None:
    texts = pa.DictionaryArray.from_arrays(pa.nulls(4_000_000, pa.int8()), pa.array([""]))
    numbers = pa.array(np.zeros(len(texts)))
    columns = {k: texts if isinstance(v, str) else numbers for k, v in EXAMPLE.items()}
    body = stream_of(pa.RecordBatch.from_pydict(columns), compression="zstd")
    assert len(body) < 200_000

    answer = bulk(onnx_server, ARROW, body)

    assert answer.status_code == 413
    assert "bytes when unpacked" in answer.json()["error"]


def test_a_line_over_its_limit_is_413(onnx_server: Server) -> None:
    answer = bulk(onnx_server, NDJSON, b'{"note": "' + b"x" * 2_000_000)

    assert answer.status_code == 413
    assert "lines of at most 1048576 bytes" in answer.json()["error"]


def test_the_openapi_page_tells_the_media_types(onnx_server: Server) -> None:
    post = onnx_server.client.get("/docs.json").json()["paths"]["/classify_batch"]["post"]

    for part in (post["requestBody"], post["responses"]["200"]):
        assert set(part["content"]) == {"application/json", *BOTH}
    assert "413" in post["responses"]
    assert post["parameters"][0]["name"] == "on_error"
