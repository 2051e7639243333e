from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pytest
import xgboost as xgb
from sklearn.feature_extraction import DictVectorizer
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import train_test_split

from models.course_csv import load
from models.dataset import Dataset
from models.fields import FIELDS
from models.split import split
from models.synthetic import generate
from models.training import PARAMETERS, ROUNDS, Trained, train

# Decoded as in the course's notebook, which is the oracle here.
WORDS = {
    "home": ["unk", "rent", "owner", "private", "ignore", "parents", "other"],
    "marital": ["unk", "single", "married", "widow", "separated", "divorced"],
    "records": ["unk", "no", "yes"],
    "job": ["unk", "fixed", "partime", "freelance", "others"],
}


@pytest.fixture(scope="module")
def course_data(course_csv: Path) -> Dataset:
    return load(course_csv)


@pytest.fixture(scope="module")
def course_model(course_data: Dataset) -> Trained:
    return train(course_data)


def pandas_way(path: Path) -> tuple[Any, Any, Any, Any]:
    """The course's rows and labels, to train on and to test on, made with data frames."""
    table = pd.read_csv(path)
    table.columns = table.columns.str.lower()
    for name, words in WORDS.items():
        table[name] = table[name].map(dict(enumerate(words)))
    for name in ("income", "assets", "debt"):
        table[name] = table[name].replace(99999999, np.nan)
    table = table[table.status != 0].reset_index(drop=True).fillna(0)
    parts = train_test_split(table, test_size=0.2, random_state=11)
    labels = [(part.status == 2).astype(int).to_numpy() for part in parts]
    records = [part.drop(columns="status").to_dict(orient="records") for part in parts]
    vectorizer = DictVectorizer(sparse=False)
    rows = vectorizer.fit_transform(records[0])
    return rows, labels[0], vectorizer.transform(records[1]), labels[1]


def test_the_course_model_has_the_course_auc(course_model: Trained) -> None:
    assert f"{course_model.evaluation.auc:.3f}" == "0.831"
    assert course_model.encoder.n_features == 29
    assert course_model.booster.feature_names is None


def test_the_booster_is_the_one_that_data_frames_give(
    course_csv: Path, course_model: Trained
) -> None:
    rows, labels, held_out_rows, held_out_labels = pandas_way(course_csv)
    booster = xgb.train(PARAMETERS, xgb.DMatrix(rows, label=labels), num_boost_round=ROUNDS)
    probabilities = booster.predict(xgb.DMatrix(held_out_rows))

    assert course_model.booster.save_raw("json") == booster.save_raw("json")
    assert course_model.evaluation.auc == roc_auc_score(held_out_labels, probabilities)


def test_the_encoder_gives_the_rows_that_data_frames_give(
    course_csv: Path, course_data: Dataset, course_model: Trained
) -> None:
    expected = pandas_way(course_csv)[2].astype(np.float32)
    rows = course_model.encoder.rows(split(course_data)[1].applications)

    assert rows.tobytes() == expected.tobytes()


def test_the_course_model_accepts_every_application_that_was_held_out(
    course_data: Dataset, course_model: Trained
) -> None:
    course_model.encoder.check_all(split(course_data)[1].applications)


def test_training_twice_gives_the_same_bytes() -> None:
    first, second = (train(generate(600).dataset()) for _ in range(2))

    assert first.booster.save_raw("ubj") == second.booster.save_raw("ubj")
    assert first.encoder.to_json() == second.encoder.to_json()


@pytest.mark.parametrize("seed", range(1, 6))
def test_generated_applications_give_a_model_as_good_as_a_real_one(seed: int) -> None:
    trained = train(generate(seed=seed).dataset())

    assert 0.80 < trained.evaluation.auc < 0.86
    assert trained.encoder.fields == tuple(
        msgspec.structs.replace(field, categories=tuple(sorted(field.categories)))
        for field in FIELDS
    )


def test_the_confusion_counts_every_application_held_out_once() -> None:
    evaluation = train(generate(1000).dataset()).evaluation
    repaid, defaulted = np.array(list(evaluation.confusion.values())).sum(axis=0)

    assert list(evaluation.confusion) == ["DECLINED", "MAYBE", "APPROVED"]
    assert repaid + defaulted == evaluation.rows == 200
    assert defaulted / evaluation.rows == evaluation.default_rate


def test_progress_is_told_once_a_round() -> None:
    told: list[None] = []
    train(generate(200).dataset(), on_round=lambda: told.append(None))

    assert len(told) == ROUNDS
