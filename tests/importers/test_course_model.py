"""A model that was saved the course's way is imported, served on both backends, and the same."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bentoml
import numpy as np
import numpy.typing as npt
import pytest
import xgboost
from sklearn.feature_extraction import DictVectorizer

import bentoml_ext
from bentoml_ext.decisions.base import array_of
from bentoml_ext.encoders.reading import Reading
from bentoml_ext.errors import InvalidApplication
from bentoml_ext.importers import importing
from models.dataset import Dataset
from models.split import split
from models.training import PARAMETERS, ROUNDS
from tests.support import small
from tests.support.commands import bentoml_command
from tests.support.homes import store_of
from tests.support.servers import serve


@dataclass
class Course:
    """What the course's notebook holds in its last cell.

    Args:
        model: Booster or XGBClassifier.
        vectorizer: the DictVectorizer that it was trained with.
        probabilities: of the test applications, float32, by the course's own lines.
        applications: the test applications as the course's notebook sends them.
    """

    model: xgboost.Booster | xgboost.XGBClassifier
    vectorizer: DictVectorizer
    probabilities: npt.NDArray[np.float32]
    applications: list[dict[str, Any]]


def learn(dataset: Dataset, *, sparse: bool, estimator: bool) -> Course:
    """Train as the course does, with a Booster or an estimator."""
    known, test = split(dataset)
    vectorizer = DictVectorizer(sparse=sparse)
    rows = vectorizer.fit_transform(filled(known.applications))
    asked = vectorizer.transform(filled(test.applications))
    model: xgboost.Booster | xgboost.XGBClassifier
    if estimator:
        model = xgboost.XGBClassifier(n_estimators=ROUNDS, max_depth=3, n_jobs=1)
        model.fit(rows, known.defaults)
        probabilities = model.predict_proba(asked)[:, 1]
    else:
        model = xgboost.train(PARAMETERS, xgboost.DMatrix(rows, known.defaults), ROUNDS)
        probabilities = model.predict(xgboost.DMatrix(asked))
    # Null is a rule of the model's fields, which an import alone does not give.
    return Course(model, vectorizer, probabilities, filled(test.applications))


def filled(applications: Any) -> list[dict[str, Any]]:
    """The course's `df.fillna(0).to_dict(orient="records")`."""
    return [{k: 0 if v is None else v for k, v in one.items()} for one in applications]


def test_null_of_a_field_that_a_rule_lets_be_null_is_the_courses_zero(
    dataset: Dataset, tmp_path: Path
) -> None:
    course = learn(dataset, sparse=False, estimator=False)
    _, test = split(dataset)
    with_nulls = [one for one in test.applications if None in one.values()]
    names = sorted({name for one in with_nulls for name, value in one.items() if value is None})
    rules = tmp_path / "fields.json"
    rules.write_text(json.dumps({name: {"nullable": True, "minimum": 0} for name in names}))
    stored = bentoml.xgboost.save_model(
        "course_nulls", course.model, custom_objects={"DictVectorizer": course.vectorizer}
    )

    request = importing.ImportRequest(str(stored.tag), reading=Reading(null="zero"), fields=rules)
    scorer = bentoml_ext.load_model(importing.import_model(request, "course_with_nulls"), "onnx")

    assert with_nulls
    expected = course.model.predict(
        xgboost.DMatrix(course.vectorizer.transform(filled(with_nulls)))
    )
    found = [answer.probability for answer in scorer.classify_batch(with_nulls)]
    small.assert_same_bits(expected=expected, got=np.array(found, np.float32))
    with pytest.raises(InvalidApplication, match=f"at least 0.*at field '{names[0]}'"):
        scorer.classify({**with_nulls[0], names[0]: -1})


@pytest.mark.parametrize("is_notebook", [True, False], ids=["notebook", "estimator"])
def test_a_course_style_model_is_imported_and_answers_the_courses_bits_on_both_backends(
    dataset: Dataset, tmp_path: Path, is_notebook: bool
) -> None:
    # The course spells the key in two ways. A sparse vectorizer is scikit-learn's default.
    key = "DictVectorizer" if is_notebook else "dictVectorizer"
    options = () if is_notebook else ("--absent", "missing")
    course = learn(dataset, sparse=not is_notebook, estimator=not is_notebook)
    with store_of(tmp_path / "home"):
        stored = bentoml.xgboost.save_model(
            "course_model", course.model, custom_objects={key: course.vectorizer}
        )

    imported = bentoml_command(
        tmp_path / "home", "ext", "import", str(stored.tag), "--name", "credit_risk_model", *options
    )

    assert imported.returncode == 0, imported.stderr
    # The one by two servers, the other by what they answer with.
    ask = served if is_notebook else scored
    bodies = {name: ask(tmp_path / "home", name, course) for name in ("onnx", "xgboost")}
    assert bodies["onnx"] == bodies["xgboost"]
    found = [answer["probability"] for answer in json.loads(bodies["onnx"][0])]
    assert len(found) == 891
    small.assert_same_bits(expected=course.probabilities, got=np.array(found, np.float32))


def scored(home: Path, backend: str, course: Course) -> list[bytes]:
    """Bodies of the 891 at once, without a server."""
    with store_of(home):
        scorer = bentoml_ext.load_model("credit_risk_model:latest", backend)
    margins = scorer.margins_of(course.applications)
    return [array_of(scorer.decider, margins)]


def served(home: Path, backend: str, course: Course) -> list[bytes]:
    """Bodies of the 891 at once, and of some of them one by one."""
    with serve(home, BACKEND=backend) as server:
        replies = [server.client.post("/classify_batch", json=course.applications)]
        replies += [server.client.post("/classify", json=one) for one in course.applications[::20]]
    assert {reply.headers["x-backend"] for reply in replies} == {backend}
    return [reply.content for reply in replies]
