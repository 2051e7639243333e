"""Random pipelines of every task answer as they predict themselves, bit for bit, on every way.

EVERY=1 draws ten pipelines of each task, which takes some minutes.
"""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import bentoml
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import xgboost as xgb
from sklearn.compose import make_column_transformer as columns
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import PowerTransformer

import bentoml_ext
from bentoml_ext.arrays import Floats
from bentoml_ext.backends.onnx_session import run, session
from bentoml_ext.encoders.encoder import Application
from bentoml_ext.offline import local_engine
from bentoml_ext.offline.plan import ScoreRequest
from bentoml_ext.preprocessing.compiling import takes
from bentoml_ext.preprocessing.frames import applications_of
from bentoml_ext.proving import exported_application
from bentoml_ext.proving.application_graph import feed
from tests.preprocessing.test_compiling import frame_of, pipeline_of
from tests.support import asgi, tasks

pytestmark = pytest.mark.slow

DRAWS: Final = 10 if os.environ.get("EVERY") == "1" else 2
ASKED: Final = 60
HOW: Final[dict[str, Any]] = {"n_estimators": 4, "max_depth": 3, "n_jobs": 1}


def classifier(**how: Any) -> Any:
    return xgb.XGBClassifier(**HOW, **how)


def regressor(**how: Any) -> Any:
    return xgb.XGBRegressor(**HOW, **how)


TASKS: Final[dict[str, tuple[Callable[[], Any], str]]] = {
    "two classes": (classifier, "yes"),
    "rare ones, weighed": (lambda: classifier(scale_pos_weight=7.5), "yes"),
    "a marker for missing": (lambda: classifier(missing=-1), "yes"),
    "three classes": (classifier, "class"),
    "regression": (regressor, "number"),
    "dart": (lambda: regressor(booster="dart", rate_drop=0.4), "number"),
    "counts": (lambda: regressor(objective="count:poisson"), "count"),
    "gamma": (lambda: regressor(objective="reg:gamma"), "number"),
    "quantiles": (
        lambda: regressor(objective="reg:quantileerror", quantile_alpha=[0.1, 0.9]),
        "number",
    ),
    "survival": (lambda: regressor(objective="survival:cox"), "number"),
    "a forest": (lambda: xgb.XGBRFClassifier(**HOW), "yes"),
    "ranking": (lambda: xgb.XGBRanker(**HOW), "class"),
    "native categories": (lambda: classifier(enable_categorical=True), "yes"),
}


@dataclass(frozen=True, eq=False)
class Drawn:
    """A random pipeline, stored.

    Args:
        pipeline: the truth.
        frame: rows that it takes.
        asked: the same as a client sends them.
        stored: the version.
    """

    pipeline: Pipeline
    frame: pd.DataFrame
    asked: list[Application]
    stored: bentoml.Model

    @property
    def expected(self) -> Floats:
        """float32, (n, m): what the pipeline predicts; of two classes the second."""
        with warnings.catch_warnings(action="ignore"):
            if not hasattr(self.pipeline, "predict_proba"):
                own = np.asarray(self.pipeline.predict(self.frame), np.float32)
                return own.reshape(len(own), -1)
            found = np.asarray(self.pipeline.predict_proba(self.frame), np.float32)
        return found[:, 1:] if found.shape[1] == 2 else found


def drawn(task: str, seed: int) -> Drawn:
    """A fitted pipeline of a task, and applications of which training saw none."""
    random = np.random.default_rng([seed, *task.encode()])
    frame, asked = frame_of(random), frame_of(random, ASKED)
    make, kind = TASKS[task]
    if task == "native categories":
        frame, asked = (
            one.astype({"home": "category", "job": "category"}) for one in (frame, asked)
        )
        bent = columns((PowerTransformer(), ["age", "debt"]), remainder="passthrough")
        pipeline = make_pipeline(bent.set_output(transform="pandas"), make())
    else:
        pipeline = pipeline_of(random, make())
    number = frame["income"].fillna(0) + 10 * frame["age"] + 100 * (frame["home"] == "rent")
    goals = {
        "number": number / 100,
        "count": (number // 200).astype(int),
        "yes": (number > number.median()).astype(int),
        "class": (number // 250).clip(0, 3).astype(int).rank(method="dense").astype(int) - 1,
    }
    more = {"xgbranker__qid": np.arange(len(frame)) // 30} if task == "ranking" else {}
    with warnings.catch_warnings(action="ignore"):
        pipeline.fit(frame, goals[kind], **more)
        stored = bentoml_ext.save_model("drawn_pipeline", pipeline, example=frame)
    encoder = bentoml_ext.load_bundle(stored).encoder
    sent = applications_of(asked, encoder)
    taken = [takes(encoder, one) for one in sent]
    return Drawn(
        pipeline, asked[taken], [one for one, ok in zip(sent, taken, strict=True) if ok], stored
    )


@pytest.mark.parametrize("seed", range(DRAWS))
@pytest.mark.parametrize("task", TASKS)
def test_every_way_gives_the_pipelines_own_predictions(
    task: str, seed: int, tmp_path: Path
) -> None:
    # One test: each worker of pytest would draw the model again for another.
    model = drawn(task, seed)

    assert_over_http(model)
    assert_in_a_file(model, tmp_path)
    assert_in_one_graph(model)


def assert_own(model: Drawn, answers: list[dict[str, Any]]) -> None:
    policy = bentoml_ext.load_bundle(model.stored).policy
    numbers = [tasks.numbers_of(answer, policy) for answer in answers]
    assert np.array(numbers, np.float32).tobytes() == model.expected.tobytes()


def assert_over_http(model: Drawn) -> None:
    table = pa.Table.from_pylist(model.asked)
    buffer = pa.BufferOutputStream()
    with pa.ipc.new_stream(buffer, table.schema) as writer:
        writer.write_table(table)
    texts = [json.dumps(one).encode() for one in model.asked]
    batch = "/predict_batch"
    requests = [("/predict", text, "application/json") for text in texts]
    requests += [
        (batch, b"[" + b",".join(texts) + b"]", "application/json"),
        (batch, b"\n".join(texts), "application/x-ndjson"),
        (batch, buffer.getvalue().to_pybytes(), "application/vnd.apache.arrow.stream"),
    ]

    *single, whole, lines, arrow = asgi.posted(
        bentoml_ext.get_service(model.stored.tag, metrics={"enabled": False}), requests
    )

    assert_own(model, [answer.json() for answer in single])
    assert_own(model, whole.json())
    assert_own(model, [json.loads(line) for line in lines.text.splitlines()])
    assert_own(model, pa.ipc.open_stream(arrow.content).read_all().to_pylist())


def assert_in_a_file(model: Drawn, folder: Path) -> None:
    pq.write_table(pa.Table.from_pylist(model.asked), folder / "asked.parquet")
    request = ScoreRequest(str(folder / "asked.parquet"), str(folder / "answers.parquet"))

    local_engine.run(request, model.stored, "xgboost")

    answers = pq.read_table(folder / "answers.parquet").drop(["margin", "model"])
    assert_own(model, answers.to_pylist())


def assert_in_one_graph(model: Drawn) -> None:
    bundle = bentoml_ext.load_bundle(model.stored)
    running = session(exported_application.make(bundle, model.stored.tag).data, threads=1)
    names = [one.name for one in running.get_outputs()]

    found = run(running, names, feed(bundle.encoder, model.asked))

    numbers = [one for one in found if one.dtype == np.float32]
    assert numbers[-1].tobytes() == model.expected.tobytes()
