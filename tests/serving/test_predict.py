"""Every task is served: /predict answers all models, /classify those that decide."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import xgboost

import bentoml_ext
from bentoml_ext.decisions.policy import Classes
from tests.support import small, tasks
from tests.support.homes import store_of
from tests.support.servers import Server, serve

SERVICE = """
import bentoml_ext

svc = bentoml_ext.get_service("{name}:latest", name="tasks")
"""
ARROW, NDJSON = "application/vnd.apache.arrow.stream", "application/x-ndjson"
APPLICATIONS: list[dict[str, Any]] = [
    {"age": age, "home": home, "income": income}
    for age in (-1.5, 0, 0.5, 2)
    for home in ("rent", "owner")
    for income in (-2, -0.0, 1.25)
]
SERVED = ("prices", "quantiles", "classes")


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[tuple[str, str], Server]]:
    """A server for each of some tasks, with the fast path and without."""
    made: dict[tuple[str, str], Server] = {}
    with ExitStack() as stack:
        for kind in SERVED:
            for fastpath in ("on", "off"):
                home = tmp_path_factory.mktemp("home")
                with store_of(home):
                    bentoml_ext.save_model(
                        kind,
                        tasks.booster_of(kind),
                        encoder=small.encoder(),
                        policy=tasks.TASKS[kind].policy,
                    )
                (home / "task_service.py").write_text(SERVICE.format(name=kind))
                server = serve(
                    home, "task_service:svc", cwd=home, BACKEND="onnx", FASTPATH=fastpath
                )
                made[kind, fastpath] = stack.enter_context(server)
        yield made


def expected(kind: str, applications: list[dict[str, Any]]) -> Any:
    """The booster's own predictions, float32, (n, m)."""
    found = tasks.booster_of(kind).predict(xgboost.DMatrix(small.encoder().rows(applications)))
    return found.reshape(len(applications), -1)


def assert_answers(kind: str, answers: list[dict[str, Any]], repeated: int = 1) -> None:
    """Each answer has the booster's bits, and the label of its largest probability."""
    policy = tasks.TASKS[kind].policy
    assert policy is not None
    own = np.tile(expected(kind, APPLICATIONS), (repeated, 1))
    numbers = [tasks.numbers_of(answer, policy) for answer in answers]
    assert np.array(numbers, np.float32).tobytes() == own.tobytes()
    if isinstance(policy, Classes):
        labels = [policy.labels[best] for best in own.argmax(axis=1)]
        assert [answer[policy.key] for answer in answers] == labels


@pytest.mark.parametrize("fastpath", ["on", "off"])
@pytest.mark.parametrize("kind", SERVED)
def test_each_application_gets_the_boosters_own_prediction(
    servers: dict[tuple[str, str], Server], kind: str, fastpath: str
) -> None:
    server = servers[kind, fastpath]

    answers = [server.client.post("/predict", json=one).json() for one in APPLICATIONS]
    many = server.client.post("/predict_batch", json=APPLICATIONS * 20)

    assert_answers(kind, answers)
    assert_answers(kind, many.json(), repeated=20)
    assert server.client.get("/model").json()["fastpath"] is (fastpath == "on")


@pytest.mark.parametrize("kind", SERVED)
def test_lines_and_columns_have_the_answers_of_json(
    servers: dict[tuple[str, str], Server], kind: str
) -> None:
    client = servers[kind, "on"].client
    lines = "\n".join(map(json.dumps, APPLICATIONS))
    table = pa.Table.from_pylist(APPLICATIONS)
    buffer = pa.BufferOutputStream()
    with pa.ipc.new_stream(buffer, table.schema) as writer:
        writer.write_table(table)

    by_line = client.post("/predict_batch", content=lines, headers={"content-type": NDJSON})
    by_column = client.post(
        "/predict_batch", content=buffer.getvalue().to_pybytes(), headers={"content-type": ARROW}
    )

    assert by_line.headers["content-type"] == NDJSON
    assert_answers(kind, [json.loads(line) for line in by_line.text.splitlines()])
    assert_answers(kind, pa.ipc.open_stream(by_column.content).read_all().to_pylist())


@pytest.mark.parametrize("fastpath", ["on", "off"])
def test_a_model_that_decides_answers_by_both_names(
    servers: dict[tuple[str, str], Server], fastpath: str
) -> None:
    client = servers["classes", fastpath].client

    for name, body in (("", APPLICATIONS[0]), ("_batch", APPLICATIONS)):
        ways = [client.post(f"/{way}{name}", json=body) for way in ("classify", "predict")]
        assert ways[0].content == ways[1].content
        assert [way.status_code for way in ways] == [200, 200]


@pytest.mark.parametrize("content_type", ["application/json", NDJSON, ARROW])
@pytest.mark.parametrize("fastpath", ["on", "off"])
@pytest.mark.parametrize("name", ["classify", "classify_batch"])
def test_a_model_without_a_decision_names_what_answers(
    servers: dict[tuple[str, str], Server], fastpath: str, name: str, content_type: str
) -> None:
    headers = {"content-type": content_type}
    answer = servers["prices", fastpath].client.post(f"/{name}", content=b"{}", headers=headers)

    assert answer.status_code == 404
    assert answer.json() == {
        "error": f"Expected a model that decides, got one whose answer is a number - at /{name}. "
        f"Ask /{name.replace('classify', 'predict')}."
    }
    assert answer.headers["x-model-tag"].startswith("prices:")


def test_the_document_has_the_routes_that_answer(servers: dict[tuple[str, str], Server]) -> None:
    for kind, more in (("prices", set()), ("classes", {"/classify", "/classify_batch"})):
        client = servers[kind, "on"].client
        document = client.get("/docs.json").json()
        answer = document["components"]["schemas"]["Answer"]
        fast = {path for path, one in document["paths"].items() if "post" in one}

        assert fast == {"/predict", "/predict_batch"} | more
        assert answer["required"] == list(client.post("/predict", json=APPLICATIONS[0]).json())
        assert "/predict" in document["info"]["description"] or more
        known = {route["name"] for route in client.get("/schema.json").json()["routes"]}
        assert known == {path.removeprefix("/") for path in fast}
