"""Random models of every task answer as their boosters predict, bit for bit, on every way.

EVERY=1 draws ten models of each task, which takes some minutes.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import bentoml
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import xgboost

import bentoml_ext
from bentoml_ext import export
from bentoml_ext.backends.onnx_session import run, session
from bentoml_ext.boosters.xgb.sigmoid import native
from bentoml_ext.decisions.policy import Bands, Classes, Policy, Value, ValueBands
from bentoml_ext.encoders.encoder import Application, Encoder, Field
from bentoml_ext.export.graph.application import to_application_onnx
from bentoml_ext.offline import local_engine
from bentoml_ext.offline.plan import ScoreRequest
from bentoml_ext.proving.application_graph import feed
from tests.support import asgi, tasks

DRAWS: Final = 10 if os.environ.get("EVERY") == "1" else 2
ASKED: Final = 80
JSON = "application/json"
ARROW, NDJSON = "application/vnd.apache.arrow.stream", "application/x-ndjson"


@dataclass(frozen=True, eq=False)
class Drawn:
    """A random model, stored.

    Args:
        kind: of the task.
        booster: the truth.
        encoder: of random fields.
        asked: random applications.
        stored: the version.
    """

    kind: str
    booster: xgboost.Booster
    encoder: Encoder
    asked: list[Application]
    stored: bentoml.Model

    @property
    def policy(self) -> Policy:
        """What is answered."""
        return bentoml_ext.load_bundle(self.stored).policy

    @property
    def expected(self) -> npt.NDArray[np.float32]:
        """What is served of the booster's own predictions, float32, (n, m)."""
        rows = xgboost.DMatrix(self.encoder.rows(self.asked))
        found = self.booster.predict(rows)
        if self.kind == "log-odds":
            # It predicts the margin; XGBoost's own sigmoid of it is served.
            found = native(found[:, None])
        return np.asarray(found, np.float32).reshape(len(self.asked), -1)


@cache
def drawn(kind: str, seed: int) -> Drawn:
    """A model of a task with random fields, fills, missing values and trees."""
    random = np.random.default_rng([seed, *kind.encode()])
    encoder = _encoder(random)
    train, asked = (_applications(encoder, random, n) for n in (400, ASKED))
    booster = tasks.trained(
        kind,
        encoder.rows(train),
        seed,
        rounds=int(random.integers(1, 9)),
        max_depth=int(random.integers(1, 6)),
        # XGBoost has no dart of vector leaves.
        booster="dart" if kind != "vectors" and random.random() < 0.3 else "gbtree",
    )
    stored = bentoml_ext.save_model(
        f"drawn_{seed}", booster, encoder=encoder, policy=tasks.TASKS[kind].policy
    )
    return Drawn(kind, booster, encoder, asked, stored)


def _encoder(random: np.random.Generator) -> Encoder:
    features, fields = [], []
    for at in range(random.integers(2, 6)):
        name = f"number {at}" if random.random() < 0.5 else f"n{at}"
        features.append(name)
        fields.append(Field(name, nullable=bool(random.random() < 0.6)))
    for at in range(random.integers(0, 3)):
        texts = [f"t{text}" for text in range(random.integers(2, 5))]
        features += [f"c{at}={text}" for text in texts]
        fields.append(Field(f"c{at}", tuple(texts)))
    order = random.permutation(len(features))
    absent, null = random.choice(["zero", "missing"], 2).tolist()
    return Encoder([features[at] for at in order], fields, absent=absent, null=null, missing=np.nan)


def _applications(encoder: Encoder, random: np.random.Generator, n: int) -> list[Application]:
    columns = {field.name: _values(field, random, n) for field in encoder.fields}
    return [{name: values[row] for name, values in columns.items()} for row in range(n)]


def _values(field: Field, random: np.random.Generator, n: int) -> list[Any]:
    if field.categories:
        texts: list[str] = random.choice(field.categories, n).tolist()
        return texts
    numbers = (random.normal(size=n) * 3).round(1).tolist()
    gone = (random.random(n) < 0.2) & field.nullable
    return [None if no else number for number, no in zip(numbers, gone, strict=True)]


@pytest.fixture(
    params=[
        pytest.param((kind, seed), id=f"{kind}-{seed}", marks=[pytest.mark.slow] * (seed > 0))
        for kind in tasks.TASKS
        for seed in range(DRAWS)
    ]
)
def model(request: pytest.FixtureRequest) -> Drawn:
    return drawn(*request.param)


def assert_own(model: Drawn, answers: list[dict[str, Any]]) -> None:
    """The answers have the numbers and the decisions of the booster's predictions."""
    policy, expected = model.policy, model.expected
    assert len(answers) == len(expected)
    numbers = [tasks.numbers_of(answer, policy) for answer in answers]
    if numbers[0] is not None:
        assert np.array(numbers, np.float32).tobytes() == expected.tobytes()
    if isinstance(policy, Classes):
        whole = expected[:, 0].astype(int) if expected.shape[1] == 1 else expected.argmax(axis=1)
        assert [answer[policy.key] for answer in answers] == [policy.labels[at] for at in whole]
    elif isinstance(policy, Bands | ValueBands):
        said = [
            next((b.answer for b in policy.bands if p > np.float32(b.above)), policy.otherwise)
            for p in expected[:, 0]
        ]
        assert [answer[policy.key] for answer in answers] == said


def test_http_gives_the_boosters_own_predictions(model: Drawn) -> None:
    table = pa.Table.from_pylist(model.asked)
    buffer = pa.BufferOutputStream()
    with pa.ipc.new_stream(buffer, table.schema) as writer:
        writer.write_table(table)
    texts = [json.dumps(one).encode() for one in model.asked]
    requests = [("/predict", text, JSON) for text in texts]
    requests += [
        ("/predict_batch", b"[" + b",".join(texts) + b"]", JSON),
        ("/predict_batch", b"\n".join(texts), NDJSON),
        ("/predict_batch", buffer.getvalue().to_pybytes(), ARROW),
    ]

    *single, batch, lines, columns = asgi.posted(
        bentoml_ext.get_service(model.stored.tag, metrics={"enabled": False}), requests
    )

    assert_own(model, [answer.json() for answer in single])
    assert_own(model, batch.json())
    assert_own(model, [json.loads(line) for line in lines.text.splitlines()])
    assert_own(model, pa.ipc.open_stream(columns.content).read_all().to_pylist())


@pytest.mark.parametrize("backend", ["onnx", "xgboost"])
def test_files_get_the_boosters_own_predictions(model: Drawn, backend: str, tmp_path: Path) -> None:
    pq.write_table(pa.Table.from_pylist(model.asked), tmp_path / "asked.parquet")
    request = ScoreRequest(str(tmp_path / "asked.parquet"), str(tmp_path / "answers.parquet"))

    local_engine.run(request, model.stored, backend)

    answers = pq.read_table(tmp_path / "answers.parquet").drop(["margin", "model"])
    assert_own(model, answers.to_pylist())


def test_the_exported_graph_gives_the_boosters_own_predictions(model: Drawn) -> None:
    running = session(export.to_onnx(model.booster), threads=1)

    (found,) = run(running, ["prediction"], {"rows": model.encoder.rows(model.asked)})

    expected = model.booster.predict(xgboost.DMatrix(model.encoder.rows(model.asked)))
    assert found.reshape(expected.shape).tobytes() == expected.astype(np.float32).tobytes()


def test_the_graph_of_whole_applications_gives_the_services_answers(model: Drawn) -> None:
    graph = to_application_onnx(model.booster, model.encoder, model.policy)
    names = [one.name for one in graph.graph.output]

    found = run(session(graph, threads=1), names, feed(model.encoder, model.asked))

    columns = dict(zip(names, (one.tolist() for one in found), strict=True))
    key = "decision" if "decision" in columns else model.policy.key
    numbers = next((columns[name] for name in names if name not in ("margin", key)), None)
    answers = [
        {model.policy.key: value if isinstance(model.policy, Value) else value[0]}
        for value in columns[key]
    ]
    for answer, several in zip(answers, numbers or [], strict=numbers is not None):
        answer["numbers"] = several
    assert_own(model, answers)
