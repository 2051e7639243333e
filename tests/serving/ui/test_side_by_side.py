"""The backends side by side: the booster's bits, a bounded load, and the service's refusals."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import bentoml
import numpy as np
import pytest
import xgboost

import bentoml_ext
from bentoml_ext.backends.registry import BACKENDS, BackendSpec
from bentoml_ext.scoring.opening import open_each
from bentoml_ext.store.bundle import Bundle
from models.fields import EXAMPLE
from models.training import Trained
from tests.support import small, tasks
from tests.support.in_process import Client, asked

ROUTE = "/ui/backends"


@pytest.fixture
def client(credit_model: bentoml.Model) -> Iterator[Client]:
    with asked(credit_model.tag) as client:
        yield client


def test_each_backend_has_the_boosters_bits_and_the_services_answer(
    client: Client, trained: Trained
) -> None:
    found = client.post(ROUTE, json=EXAMPLE).json()

    rows = xgboost.DMatrix(trained.encoder.rows([EXAMPLE]))
    (margin,) = trained.booster.predict(rows, output_margin=True)
    answer = client.post("/classify", json=EXAMPLE).json()
    assert [(one["name"], one["serves"]) for one in found["backends"]] == [
        ("onnx", True),
        ("xgboost", False),
    ]
    for one in found["backends"]:
        assert one["bits"] == [f"{margin.view(np.uint32):08x}"]
        assert [np.float32(text) for text in one["margins"]] == [margin]
        assert one["answer"] == answer
        assert one["us"] > 0
    assert found["equal"] is True


@pytest.mark.parametrize("kind", ["ten classes", "vectors", "several labels"])
def test_every_margin_of_a_row_is_compared(kind: str) -> None:
    booster, policy = tasks.booster_of(kind), tasks.TASKS[kind].policy
    model = bentoml_ext.save_model("side", booster, encoder=small.encoder(), policy=policy)
    with asked(model.tag) as client:
        found = client.post(ROUTE, json=small.APPLICATION).json()

    rows = xgboost.DMatrix(small.encoder().rows([small.APPLICATION]))
    margins = booster.predict(rows, output_margin=True).ravel()
    words = [f"{word:08x}" for word in margins.view(np.uint32).tolist()]
    assert [one["bits"] for one in found["backends"]] == [words, words]


@pytest.mark.parametrize("body", [b"{}", b"[1]", b"not json", b'{"age": 1, "age": 2}'])
def test_a_wrong_application_is_refused_as_by_the_service(client: Client, body: bytes) -> None:
    headers = {"content-type": "application/json"}
    refused = client.post(ROUTE, content=body, headers=headers)

    assert refused.status_code == 400
    assert refused.content == client.post("/predict", content=body, headers=headers).content


def test_a_form_of_another_site_is_refused(client: Client) -> None:
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data"):
        refused = client.post(ROUTE, content=b"{}", headers={"content-type": kind})

        assert refused.status_code == 415
        said = f'Expected application/json, got "{kind}" - at Content-Type'
        assert said in refused.json()["error"]


def test_a_long_body_is_refused_unread(client: Client) -> None:
    headers = {"content-type": "application/json"}

    assert client.post(ROUTE, content=b" " * 1_048_577, headers=headers).status_code == 413


def test_more_requests_than_may_wait_are_refused_and_the_others_answered(client: Client) -> None:
    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(lambda _: client.post(ROUTE, json=EXAMPLE), range(12)))
    statuses = [answer.status_code for answer in answers]

    assert set(statuses) <= {200, 429}
    assert statuses.count(200) >= 4
    assert all(one.headers["retry-after"] == "1" for one in answers if one.status_code == 429)
    assert client.post(ROUTE, json=EXAMPLE).status_code == 200


def test_a_backend_that_is_not_installed_is_named_with_what_installs_it(
    credit_model: bentoml.Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    missing = BackendSpec("bentoml_ext.backends.nowhere:Backend", "bentoml_ext", "xgboost")
    monkeypatch.setitem(BACKENDS, "xgboost", missing)

    onnx, other = open_each(Bundle(Path(credit_model.path)))

    assert onnx.backend is not None
    assert other.backend is None
    assert "Backend 'xgboost' needs bentoml_ext. Install it with" in other.why_not


def test_a_backend_that_serves_is_not_opened_again(credit_model: bentoml.Model) -> None:
    bundle = Bundle(Path(credit_model.path))
    first, *_ = open_each(bundle)
    assert first.backend is not None

    again, *_ = open_each(bundle, [first.backend])

    assert again.backend is first.backend


USED = """
import sys
from tests.support.in_process import asked

with asked(sys.argv[1]) as client:
    example = client.get("/ui/model").json()["example"]
    print(client.get("/ui").status_code, client.post("/predict", json=example).status_code)
    print("xgboost" in sys.modules)
    client.post("/ui/backends", json=example)
    print("xgboost" in sys.modules)
"""


@pytest.mark.slow
def test_another_library_is_loaded_by_the_first_comparison_alone(
    credit_model: bentoml.Model,
) -> None:
    # In a process of its own: this one has loaded them all.
    command = [sys.executable, "-c", USED, str(credit_model.tag)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)

    assert ended.stdout.split() == ["200", "200", "False", "True"], ended.stderr
