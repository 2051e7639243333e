"""Refusal: the first row and field, how many rows, and what cures it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xgboost
from sklearn.linear_model import LogisticRegression

from bentoml_ext.acceptance import Check, accept
from bentoml_ext.decisions.policy import Band
from bentoml_ext.encoders.reading import Reading
from bentoml_ext.errors import NotAccepted, UnreadableInput
from models.synthetic import generate
from tests.acceptance.sources import CHOICES, Trained, filled, trained
from tests.acceptance.test_accepting import KNOWN, ROUNDS, accepted, asking, marked, with_nan
from tests.support import small


def refused(model: Trained, predictions: Any = None, **how: Any) -> str:
    """What is said of predictions that do not agree."""
    with pytest.raises(NotAccepted) as error:
        accepted(model, predictions, **how)
    return str(error.value)


@pytest.mark.parametrize(
    ("model", "reading", "cure", "field"),
    [
        (lambda: trained(sparse=True), KNOWN, "--absent missing", "field 'home'"),
        (
            trained,
            Reading(absent="missing", null="zero"),
            "--absent zero",
            "field 'home'",
        ),
        (lambda: trained(prepare=with_nan), KNOWN, "--null missing", "field '"),
        (
            lambda: asking(trained(prepare=marked, missing=-1), marked(trained().asked)),
            Reading(absent="zero", missing=0.0),
            "--missing -1",
            "field '",
        ),
        (
            lambda: trained(separator="_"),
            Reading(absent="zero", null="zero", separator="="),
            "--separator _",
            "for 'home_ignore'",
        ),
        (
            lambda: trained(sparse=True, prepare=with_nan),
            KNOWN,
            "--absent missing --null missing",
            "field 'home'",
        ),
    ],
    ids=["absent", "dense", "null", "missing", "separator", "two switches"],
)
def test_the_switch_that_cures_it_is_found(
    model: Callable[[], Trained], reading: Reading, cure: str, field: str
) -> None:
    told = refused(model(), reading=reading)

    assert f"`{cure}` cures it: all 300 rows agree." in told
    assert field in told


def test_the_rounds_that_cure_it_are_found() -> None:
    model = trained(stop_early=True, rounds=200)
    best = (0, model.booster.best_iteration + 1)
    said = model.booster.predict(xgboost.DMatrix(model.rows), iteration_range=best)
    reading = Reading(absent="zero", null="zero", rounds="all")

    assert "`--rounds best` cures it" in refused(model, said, reading=reading, choices=ROUNDS)


def test_a_category_that_training_had_no_column_for_is_named_with_its_cure() -> None:
    model = trained(prepare=without_widows)
    asked = filled(model.asked)
    rows = [row for row, one in enumerate(asked) if one["marital"] == "widow"]

    told = refused(asking(model, asked), reading=Reading(absent="zero", unknown="refuse"))

    assert told.startswith(
        "Expected one of 'divorced', 'married', 'separated', 'single', 'unk', got"
    )
    assert f"got \"widow\" - at field 'marital', application {rows[0]} of memory." in told
    assert f"{len(rows)} of 300 rows differ, {len(rows)} of them refused." in told
    assert "`--unknown zero` cures it: all 300 rows agree." in told


def without_widows(some: Any) -> list[dict[str, Any]]:
    """Rows in which a widow leaves no trace, as a restricted DictVectorizer makes them."""
    made = filled(some)
    return [{k: v for k, v in one.items() if (k, v) != ("marital", "widow")} for one in made]


def test_null_is_refused_by_name_until_somebody_says_what_it_means() -> None:
    model = trained()
    row = next(i for i, one in enumerate(model.asked) if None in one.values())

    # No choice for null: the user's word is that null is refused.
    told = refused(model, choices={"absent": ("zero",)}, reading=Reading(absent="zero"))

    assert "got null - at field '" in told
    assert f"application {row} of memory" in told
    assert "No switch cures it. The other 290 rows agree." in told


def test_the_line_of_the_first_row_is_named(tmp_path: Path) -> None:
    model = trained(sparse=True)
    path = tmp_path / "mine.csv"
    pd.DataFrame(model.asked).assign(score=model.predictions).to_csv(path, index=False)

    with pytest.raises(NotAccepted, match=r"at field 'home', row 0 \(line 2\) of mine\.csv\. 300 "):
        accept(Check.read(path), model.read, KNOWN, CHOICES, small.policy())


def test_a_field_without_a_column_is_named_with_the_one_of_another_case(tmp_path: Path) -> None:
    model, path = trained(), tmp_path / "check.parquet"
    frame = pd.DataFrame(model.asked).assign(p=model.predictions)
    frame.rename(columns={"income": "Income"}).drop(columns="debt").to_parquet(path)

    with pytest.raises(NotAccepted) as error:
        accept(Check.read(path, "p"), model.read, KNOWN, CHOICES, small.policy())

    assert "got none for 'debt', 'income' among seniority, home" in str(error.value)
    assert "Rename 'Income' to 'income'." in str(error.value)


def test_rows_of_features_are_recognised(tmp_path: Path) -> None:
    model, path = trained(), tmp_path / "check.csv"
    frame = pd.DataFrame(model.rows, columns=list(model.features)).assign(p=model.predictions)
    frame.to_csv(path, index=False)

    with pytest.raises(NotAccepted, match="holds rows of features: give the applications as clie"):
        accept(Check.read(path, "p"), model.read, KNOWN, {}, small.policy())


def test_nan_is_refused_with_what_to_write_instead() -> None:
    model = trained()
    asked = [dict(one) for one in filled(model.asked)]
    asked[3]["income"] = float("nan")

    told = refused(asking(model, asked))

    assert "got NaN - at field 'income', application 3 of memory. JSON has no NaN" in told


@pytest.mark.parametrize(
    ("say", "told"),
    [
        (lambda p, m: 1 - p, "those of the other class (1 - p)"),
        (lambda p, m: -m, "those of the other class (1 - p)"),
        (lambda p, m: p <= 0.5, "those of the other class"),
        (lambda p, m: 100 * p, "They are percentages: divide them by 100."),
        (lambda p, m: (100 * p).round(), "They are percentages: divide them by 100."),
        (lambda p, m: np.nextafter(p, np.float32(0)), "differ in their last bits alone"),
        (lambda p, m: np.roll(p, 1), "They are right, and in another order"),
        (lambda p, m: 1 / (1 + np.exp(-m - 0.7)), "Each differs by +0.7 in log-odds"),
        (lambda p, m: np.sqrt(p), "a calibrated or otherwise post-processed model"),
        (lambda p, m: p > 0.25, "They agree with a cut-off between 0.2"),
        (lambda p, m: np.where(p > 0.25, "MAYBE", "APPROVED"), "another policy (MAYBE above 0.2"),
        (lambda p, m: np.random.default_rng(0).random(300), "No switch cures it."),
    ],
    ids=[
        "other class",
        "other class in log-odds",
        "other class as labels",
        "percent",
        "whole percent",
        "last bits",
        "shuffled",
        "offset",
        "post-processed",
        "another cut-off",
        "another policy",
        "random",
    ],
)
def test_what_the_predictions_are_instead_is_said(say: Callable[..., Any], told: str) -> None:
    model = trained()

    assert told in refused(model, say(model.predictions, model.margins))


def test_numbers_beside_those_of_their_own_rows_are_not_called_shuffled() -> None:
    model = trained()

    assert "another order" not in refused(model, (model.predictions + np.float32(1.5e-6)))


def test_what_they_are_is_found_under_another_reading_too() -> None:
    model = trained(sparse=True)

    told = refused(model, 1 - model.predictions)

    assert "those of the other class (1 - p)" in told
    assert "Besides, `--absent missing` is needed." in told


def test_a_calibrated_model_is_recognised() -> None:
    model, portfolio = trained(), generate(300)
    margins = model.margins[:, np.newaxis]
    # Platt's scaling, as CalibratedClassifierCV does it.
    scaling = LogisticRegression().fit(margins, portfolio.defaults)

    told = refused(model, scaling.predict_proba(margins)[:, 1])

    assert "a calibrated or otherwise post-processed model" in told


@pytest.mark.parametrize("order", ["reversed", "sorted"])
def test_features_in_another_order_are_recognised(order: str) -> None:
    model = trained()
    # Names that are not sorted, as pandas.get_dummies gives them.
    names = sorted(model.features, key=lambda name: ("=" in name, name))
    places = [model.features.index(name) for name in names]
    given = list(reversed(names)) if order == "reversed" else sorted(names)
    data = xgboost.DMatrix(model.rows[:, places], generate(300).defaults)
    booster = xgboost.train({"objective": "binary:logistic"}, data, 9)
    mixed = Trained(booster, tuple(given), model.rows[:, places], model.asked)

    told = refused(mixed)

    assert "every row that was tried agrees. Give the features in the order" in told


def test_labels_of_no_policy_are_named() -> None:
    model = trained()
    said = np.array(["low", "middle", "high"])[np.arange(300) % 3]

    assert "got 'high', 'low', 'middle' - at the predictions." in refused(model, said)


def test_labels_are_compared_with_the_policy_that_is_given() -> None:
    model = trained()
    policy = small.policy(bands=(Band(0.25, "REVIEW"),), otherwise="PASS")
    said = np.where(model.predictions > 0.25, "REVIEW", "PASS")

    assert accepted(model, said, policy=policy).acceptance.agreement == "every label equal"


def test_a_coincidence_of_one_row_is_no_cure() -> None:
    model = trained()
    labels = (model.predictions > 0.5).astype(int)
    labels[5] = 1 - labels[5]

    told = refused(model, labels, reading=KNOWN)

    assert "--missing" not in told
    assert "No switch cures it. The other 299 rows agree." in told


def test_one_wrong_prediction_makes_no_calibrated_model() -> None:
    model = trained()
    said = np.round(model.predictions.astype(np.float64), 2)
    said[3] += 0.01 if said[3] < 0.5 else -0.01

    told = refused(model, said, reading=KNOWN)

    assert "1 of 300 rows differ. No switch cures it. The other 299 rows agree." in told


def test_rows_that_are_refused_leave_the_cure_of_the_others_in_sight() -> None:
    model = trained(sparse=True)
    without = [{k: v for k, v in one.items() if k != "age"} for one in model.asked[:20]]
    asked = asking(model, [*without, *model.asked[20:]])

    told = refused(asked, model.predictions, reading=KNOWN)

    assert "With `--absent missing` all rows agree that are not refused." in told
    assert "last bits" not in told


@pytest.mark.parametrize("classes", [(-1, 1), (1, 2), (0, 7)])
def test_classes_by_any_two_whole_numbers_are_labels(classes: tuple[int, int]) -> None:
    model = trained()
    labels = np.where(model.predictions > 0.5, classes[1], classes[0])

    found = accepted(model, labels, reading=KNOWN)

    assert found.acceptance.kind == "label"
    assert f"{classes[1]} above a probability of 0.5" in found.acceptance.agreement


def test_an_infinite_prediction_is_refused_by_its_row() -> None:
    model = trained()
    said = model.predictions.copy()
    said[7] = np.inf

    with pytest.raises(UnreadableInput, match="Expected a prediction, got inf - at application 7"):
        accepted(model, said, reading=KNOWN)
