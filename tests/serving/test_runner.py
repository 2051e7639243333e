"""The course's way: a legacy Service around a Runner, for real, with the main service's answers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bentoml
import httpx
import numpy as np
import pytest
import xgboost

import bentoml_ext
from bentoml_ext.boosters.xgb.sigmoid import native
from bentoml_ext.encoders.encoder import Application
from models.fields import EXAMPLE
from tests.support import small, tasks
from tests.support.servers import Server, serve

# As the course writes it, but for the model's name and for where the rows come from.
COURSE = """
import bentoml
import bentoml_ext
from bentoml.io import JSON

model_ref = bentoml.models.get("credit_risk_model:latest")
encoder = bentoml_ext.load_bundle(model_ref).encoder
model_runner = model_ref.to_runner()
svc = bentoml.legacy.Service("course_classifier", runners=[model_runner])


@svc.api(input=JSON(), output=JSON())
async def classify(application_data):
    rows = encoder.rows([application_data])
    prediction = await model_runner.predict.async_run(rows)
    result = prediction[0]
    if result > 0.5:
        return {"Status": "DECLINED", "probability": float(result)}
    if result > 0.3:
        return {"Status": "MAYBE", "probability": float(result)}
    return {"Status": "APPROVED", "probability": float(result)}
"""

CONCURRENT = 50


@pytest.fixture(scope="module", params=["onnx", "xgboost"])
def runner_server(
    request: pytest.FixtureRequest, home: Path, credit_model: bentoml.Model
) -> Iterator[Server]:
    with serve(home, "services.runner:svc", BACKEND=request.param) as server:
        yield server


def expected(applications: list[Application]) -> list[dict[str, Any]]:
    """What the scorer says."""
    answers = bentoml_ext.load_model("credit_risk_model:latest").classify_batch(applications)
    return [{"Status": a.status, "probability": float(a.shortest)} for a in answers]


def test_an_application_is_classified(runner_server: Server) -> None:
    reply = runner_server.client.post("/classify", json=EXAMPLE)

    assert reply.status_code == 200
    assert [reply.json()] == expected([EXAMPLE])


def test_a_batch_is_classified_in_order(runner_server: Server, held_out: list[Application]) -> None:
    reply = runner_server.client.post("/classify_batch", json=held_out)

    assert reply.json() == expected(held_out)


def test_concurrent_requests_get_their_own_answers(
    runner_server: Server, held_out: list[Application]
) -> None:
    asked = held_out[:150]
    found = asyncio.run(_at_once(runner_server.url, asked))

    assert [reply.status_code for reply in found] == [200] * len(asked)
    assert [reply.json() for reply in found] == expected(asked)


async def _at_once(url: str, applications: list[Application]) -> list[httpx.Response]:
    limits = httpx.Limits(max_connections=CONCURRENT)
    async with httpx.AsyncClient(base_url=url, limits=limits, timeout=60) as client:
        return await asyncio.gather(*(client.post("/classify", json=one) for one in applications))


@pytest.mark.parametrize(
    ("change", "field"),
    [({"age": -1}, "age"), ({"home": "castle"}, "home"), ({"income": 99999999}, "income")],
)
def test_a_bad_application_is_400_and_names_its_field(
    runner_server: Server, change: dict[str, Any], field: str
) -> None:
    reply = runner_server.client.post("/classify", json=EXAMPLE | change)

    assert reply.status_code == 400
    assert reply.json()["field"] == field
    assert f"field '{field}'" in reply.json()["error"]


def test_a_bad_application_of_a_batch_is_400_and_names_its_index(runner_server: Server) -> None:
    reply = runner_server.client.post("/classify_batch", json=[EXAMPLE, {"age": 3}])

    assert reply.status_code == 400
    assert reply.json()["index"] == 1


@pytest.mark.parametrize(("path", "body"), [("/classify", b"{"), ("/classify_batch", b"[")])
def test_a_body_that_is_no_json_is_400(runner_server: Server, path: str, body: bytes) -> None:
    headers = {"content-type": "application/json"}

    assert runner_server.client.post(path, content=body, headers=headers).status_code == 400


@pytest.mark.parametrize("body", [{}, 3, None])
def test_a_batch_that_is_no_array_is_400(runner_server: Server, body: Any) -> None:
    assert runner_server.client.post("/classify_batch", json=body).status_code == 400


def test_an_empty_batch_is_an_empty_array(runner_server: Server) -> None:
    assert runner_server.client.post("/classify_batch", json=[]).json() == []


def test_a_service_as_the_course_writes_it_works(
    home: Path, credit_model: bentoml.Model, held_out: list[Application], tmp_path: Path
) -> None:
    (tmp_path / "course.py").write_text(COURSE)
    asked = held_out[:50]

    with serve(home, "course:svc", cwd=tmp_path) as server:
        found = [json.loads(server.client.post("/classify", json=one).content) for one in asked]

    said = expected(asked)
    assert [one["Status"] for one in found] == [one["Status"] for one in said]
    assert [np.float32(one["probability"]) for one in found] == [
        np.float32(one["probability"]) for one in said
    ]


@pytest.mark.parametrize("kind", ["prices", "counts", "quantiles", "classes", "log-odds"])
def test_a_runner_predicts_as_the_booster_does_whatever_the_task(kind: str) -> None:
    booster, rows = tasks.booster_of(kind), small.rows(40, seed=3)
    stored = bentoml_ext.save_model(
        "runner_tasks", booster, encoder=small.encoder(), policy=tasks.TASKS[kind].policy
    )
    runnable = bentoml_ext.get_runnable(stored)()

    margins = booster.predict(xgboost.DMatrix(rows), output_margin=True)
    predictions = booster.predict(xgboost.DMatrix(rows))
    if kind == "log-odds":
        # Its own prediction is the margin; a probability is served.
        predictions = native(margins[:, None])[:, 0]
    small.assert_same_bits(expected=margins, got=runnable.margins(rows))
    small.assert_same_bits(expected=predictions, got=runnable.predict(rows))
