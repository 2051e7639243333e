"""The examples: each is trained, stored, served and scored, and answers as its own model does."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from bentoml_ext.cli import ext
from bentoml_ext.offline import local_engine
from bentoml_ext.offline.plan import ScoreRequest
from bentoml_ext.store.models import get, load_bundle
from examples.categories import train as categories
from examples.churn import train as churn
from examples.houses import train as houses
from examples.wine import train as wine
from tests.support.homes import store_of
from tests.support.servers import ROOT, Server, serve


@dataclass(frozen=True)
class Example:
    """An example as a reader has it after `train.py`.

    Args:
        name: of its folder.
        model: of the trained one in the store.
        predict: the trained model's own answers, float32, (n,) or (n, m).
        asked: applications.
        home: BENTOML_HOME.
    """

    name: str
    model: str
    predict: Callable[[pd.DataFrame], Any]
    asked: pd.DataFrame
    home: Path

    @property
    def applications(self) -> list[dict[str, Any]]:
        """As a client sends them."""
        found: list[dict[str, Any]] = json.loads(self.asked.to_json(orient="records"))
        return found

    def shown(self, pattern: str) -> list[str]:
        """Parts of its README."""
        text = (ROOT / "examples" / self.name / "README.md").read_text()
        return re.findall(pattern, text, re.DOTALL)


def of_records(model: Any) -> Callable[[pd.DataFrame], Any]:
    """The chances that a model gives to records."""
    return lambda frame: model.predict_proba(frame.to_dict(orient="records"))[:, 1]


EXAMPLES: dict[str, tuple[Any, Callable[[Any], Callable[[pd.DataFrame], Any]]]] = {
    "houses": (houses, lambda model: model.predict),
    "wine": (wine, lambda model: model.predict_proba),
    "churn": (churn, of_records),
    "categories": (categories, lambda model: lambda frame: model.predict_proba(frame)[:, 1]),
}
"""Each with what its trained model predicts."""


@pytest.fixture(scope="module", params=EXAMPLES)
def example(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Example]:
    """One that was trained in a folder of its own."""
    home = tmp_path_factory.mktemp("home")
    module, predicting = EXAMPLES[request.param]
    with pytest.MonkeyPatch.context() as patch, store_of(home):
        patch.chdir(home)
        model, frame = module.main()
        yield Example(request.param, module.NAME, predicting(model), frame, home)


@pytest.fixture(scope="module")
def server(example: Example) -> Iterator[Server]:
    with serve(example.home, f"examples.{example.name}.service:svc", BACKEND="onnx") as served:
        yield served


def numbers(answers: list[dict[str, Any]]) -> npt.NDArray[np.float32]:
    """Prices, probabilities, or the probabilities of the cultivars."""
    each = [one.get("price", one.get("probability", one.get("probabilities"))) for one in answers]
    return np.array([list(x.values()) if isinstance(x, dict) else x for x in each], np.float32)


def test_the_service_answers_as_the_trained_model(example: Example, server: Server) -> None:
    expected = example.predict(example.asked).astype(np.float32)

    answers = [server.client.post("/predict", json=one).json() for one in example.applications]
    batch = server.client.post("/predict_batch", json=example.applications).json()

    assert numbers(answers).tobytes() == expected.tobytes()
    assert batch == answers
    if example.name == "wine":
        labels = [wine.LABELS[best] for best in expected.argmax(axis=1)]
        assert [one["cultivar"] for one in answers] == labels
    if example.name == "churn":
        said = ["call" if chance > 0.5 else "leave alone" for chance in expected]
        assert [one["decision"] for one in answers] == said


def test_a_file_is_scored_as_by_the_trained_model(example: Example, tmp_path: Path) -> None:
    example.asked.to_parquet(tmp_path / "asked.parquet", index=False)
    request = ScoreRequest(str(tmp_path / "asked.parquet"), str(tmp_path / "answers.parquet"))

    local_engine.run(request, get(example.model), "onnx")

    expected = example.predict(example.asked).astype(np.float32)
    found = numbers(pq.read_table(tmp_path / "answers.parquet").to_pylist())
    assert found.tobytes() == expected.tobytes()


def test_the_request_of_the_readme_is_answered_as_it_says(example: Example, server: Server) -> None:
    (request,) = example.shown(r"-d '(.*?)'")
    headers = {"content-type": "application/json"}
    (route,) = example.shown(r"localhost:3000(/\w+)")
    answer = server.client.post(route, content=request, headers=headers)

    frame = pd.DataFrame([json.loads(request)])[list(example.asked)]
    frame = frame.astype(example.asked.dtypes.to_dict())
    expected = example.predict(frame).astype(np.float32)
    assert numbers([answer.json()]).tobytes() == expected.tobytes()
    assert [answer.text] == example.shown(r"```json\n(.*?)\n```")


def test_a_wrong_application_is_named(example: Example, server: Server) -> None:
    field = next(name for name in example.asked if example.asked[name].dtype.kind in "if")
    answer = server.client.post("/predict", json={**example.applications[0], field: "many"})

    assert answer.status_code == 400
    assert answer.json()["field"] == field


@pytest.mark.parametrize("example", ["churn"], indirect=True)
def test_the_import_of_the_readme_gives_the_same_encoder(example: Example) -> None:
    own = load_bundle(get(example.model))
    (command,) = example.shown(r"```bash\nbentoml ext (import .*?)\n```")

    ended = CliRunner().invoke(ext, command.split(), prog_name="bentoml ext")

    assert ended.exit_code == 0, ended.output
    assert "600 of the trainer's predictions" in ended.output
    assert load_bundle(get(example.model)).encoder.steps == own.encoder.steps
