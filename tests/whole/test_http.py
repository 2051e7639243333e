"""The service over HTTP: both backends answer the same bytes, and say what is wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import bentoml
import pytest

from bentoml_ext import load_model
from bentoml_ext.encoders.encoder import Application
from models.fields import EXAMPLE
from tests.support.servers import START_S, Server, serve


def post(server: Server, path: str, body: Any) -> tuple[int, bytes]:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    answer = server.client.post(path, content=content, headers={"content-type": "application/json"})
    return answer.status_code, answer.content


def test_the_courses_example_is_approved(csv: Path, onnx_server: Server) -> None:
    assert post(onnx_server, "/classify", EXAMPLE) == (
        200,
        b'{"Status": "APPROVED", "probability": 0.2224117}',
    )


def test_the_answer_is_xgboosts_own_prediction(onnx_server: Server, example_answer: bytes) -> None:
    assert post(onnx_server, "/classify", EXAMPLE) == (200, example_answer)


@pytest.mark.slow
def test_both_backends_answer_the_same_bytes_to_every_real_application(
    onnx_server: Server, xgboost_server: Server, held_out: list[Application]
) -> None:
    assert len(held_out) == 891
    for application in held_out:
        body = json.dumps(application).encode()
        onnx = post(onnx_server, "/classify", body)

        assert onnx[0] == 200
        assert onnx == post(xgboost_server, "/classify", body)


def test_a_batch_gets_the_answers_of_its_applications_in_order(
    onnx_server: Server, xgboost_server: Server, held_out: list[Application]
) -> None:
    status, batch = post(onnx_server, "/classify_batch", held_out)
    singly = [json.loads(post(onnx_server, "/classify", one)[1]) for one in held_out]

    assert status == 200
    assert json.loads(batch) == singly
    assert post(xgboost_server, "/classify_batch", held_out) == (200, batch)


def test_http_answers_are_those_of_the_scorer(
    onnx_server: Server, credit_model: bentoml.Model, held_out: list[Application]
) -> None:
    scorer = load_model(credit_model, "xgboost")

    answers = json.loads(post(onnx_server, "/classify_batch", held_out)[1])

    assert [answer["Status"] for answer in answers] == [
        answer.status for answer in scorer.classify_batch(held_out)
    ]


def test_headers_say_who_answered(
    onnx_server: Server, xgboost_server: Server, credit_model: bentoml.Model
) -> None:
    for server, backend in ((onnx_server, "onnx"), (xgboost_server, "xgboost")):
        headers = server.client.post("/classify", json=EXAMPLE).headers

        assert headers["x-backend"] == backend
        assert headers["x-model-tag"] == str(credit_model.tag)


BAD_VALUES: list[tuple[str, Any, str, str]] = [
    ("age", "26", "a finite number in years, at least 0", '"26", a number written as a text'),
    ("age", True, "a finite number in years, at least 0", "true"),
    ("age", None, "a finite number in years, at least 0", "null"),
    ("age", -1, "a finite number in years, at least 0", "-1"),
    ("amount", float("NaN"), "a finite number", "NaN"),
    ("price", float("Infinity"), "a finite number", "Infinity"),
    ("price", 1e39, "a finite number", "1e+39"),
    ("debt", -0.5, "at least 0, at most 10000000 or null", "-0.5"),
    ("income", 99999999, "or null", "99999999, a code for a missing value"),
    ("assets", {"eur": 3}, "or null", '{"eur": 3}'),
    ("home", "castle", "one of 'ignore', 'other', 'owner'", '"castle"'),
    ("home", "", "one of", '""'),
    ("job", 3, "one of", "3"),
    ("records", None, "one of 'no', ", "null"),
]


@pytest.mark.parametrize(("field", "value", "expected", "got"), BAD_VALUES)
def test_a_bad_value_is_400_with_field_expected_and_got(
    onnx_server: Server, field: str, value: Any, expected: str, got: str
) -> None:
    status, body = post(onnx_server, "/classify", EXAMPLE | {field: value})

    detail = json.loads(body)
    assert status == 400
    assert detail["field"] == field
    assert expected in detail["expected"]
    assert got in detail["got"]
    assert f"field '{field}'" in detail["error"]


@pytest.mark.parametrize("field", sorted(EXAMPLE))
def test_a_missing_field_is_400_and_named(onnx_server: Server, field: str) -> None:
    short = {name: value for name, value in EXAMPLE.items() if name != field}

    status, body = post(onnx_server, "/classify", short)

    assert status == 400
    assert (json.loads(body)["field"], json.loads(body)["got"]) == (field, "nothing")


@pytest.mark.parametrize(
    "body",
    [b"{", b"", b'{"age": 26', b"\xff\xfe", b"[" * 100_000, b"9" * 5000, b"3", b"[]", b"null"],
    ids=["cut", "empty", "half", "not UTF-8", "deep", "long number", "number", "array", "null"],
)
def test_a_body_that_is_no_application_is_400(onnx_server: Server, body: bytes) -> None:
    status, answer = post(onnx_server, "/classify", body)

    assert status == 400
    assert "Expected" in json.loads(answer)["error"]


@pytest.mark.parametrize("field", ["income", "assets", "debt"])
def test_null_means_zero_as_in_training(onnx_server: Server, field: str) -> None:
    null = post(onnx_server, "/classify", EXAMPLE | {field: None})

    assert null == post(onnx_server, "/classify", EXAMPLE | {field: 0})
    assert null[0] == 200


def test_one_bad_application_of_a_batch_is_named_and_nothing_is_scored(onnx_server: Server) -> None:
    status, body = post(onnx_server, "/classify_batch", [EXAMPLE, EXAMPLE | {"age": -1}, EXAMPLE])

    detail = json.loads(body)
    assert status == 400
    assert (detail["index"], detail["field"]) == (1, "age")


def test_a_batch_of_ten_thousand_is_answered_and_one_more_is_not(onnx_server: Server) -> None:
    whole, over = [EXAMPLE] * 10_000, [EXAMPLE] * 10_001

    assert len(json.loads(post(onnx_server, "/classify_batch", whole)[1])) == 10_000
    status, body = post(onnx_server, "/classify_batch", over)
    assert status == 400
    assert json.loads(body)["expected"] == "at most 10000 applications"


@pytest.mark.parametrize("body", [EXAMPLE, 3, None])
def test_a_batch_that_is_no_array_is_400(onnx_server: Server, body: Any) -> None:
    status, answer = post(onnx_server, "/classify_batch", body)

    assert status == 400
    assert json.loads(answer)["expected"] == "an array of applications"


def test_an_empty_batch_is_an_empty_array(onnx_server: Server) -> None:
    assert post(onnx_server, "/classify_batch", []) == (200, b"[]")


def test_a_body_is_json_whatever_its_content_type(onnx_server: Server) -> None:
    # What `curl -d` sends when nobody thinks of a header.
    headers = {"content-type": "application/x-www-form-urlencoded"}
    answer = onnx_server.client.post("/classify", content=json.dumps(EXAMPLE), headers=headers)

    assert answer.content == post(onnx_server, "/classify", EXAMPLE)[1]
    assert answer.status_code == 200


def test_a_pickle_is_never_read(onnx_server: Server) -> None:
    headers = {"content-type": "application/vnd.bentoml+pickle"}
    answer = onnx_server.client.post("/classify", content=b"cos\nsystem\n.", headers=headers)

    assert answer.status_code == 415


def test_the_model_page_tells_what_serves(onnx_server: Server, credit_model: bentoml.Model) -> None:
    told = onnx_server.client.get("/model").json()

    assert told["tag"] == str(credit_model.tag)
    assert told["backend"] == "onnx"
    assert told["trees"] == 175
    assert [field["name"] for field in told["fields"]] == list(EXAMPLE)
    assert told["policy"]["bands"][0] == {"above": 0.5, "answer": "DECLINED"}
    assert told["versions"].keys() >= {"xgboost", "onnxruntime"}


def test_the_openapi_page_lists_the_13_fields(onnx_server: Server) -> None:
    paths = onnx_server.client.get("/docs.json").json()["paths"]

    body = paths["/classify"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert list(body["properties"]) == list(EXAMPLE)
    assert body["example"] == EXAMPLE


def test_an_unknown_backend_stops_the_start_with_the_known_ones(
    home: Path, credit_model: bentoml.Model
) -> None:
    with serve(home, wait=None, BACKEND="tensorflow") as server:
        assert server.process.wait(START_S) == 1
        assert "Expected one of auto, onnx, xgboost, got 'tensorflow'" in server.log


def test_a_backend_is_also_an_argument(home: Path, credit_model: bentoml.Model) -> None:
    with serve(home, ".", "--arg", "backend=xgboost", BACKEND="onnx") as server:
        assert server.client.post("/classify", json=EXAMPLE).headers["x-backend"] == "xgboost"


def test_an_empty_store_stops_the_start_and_says_what_to_do(tmp_path: Path) -> None:
    with serve(tmp_path, wait=None) as server:
        assert server.process.wait(START_S) == 1
        assert "Train one (`python -m models.train`) or import one" in server.log
