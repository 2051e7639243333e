"""Measures of predictions: each by hand, against scikit-learn, and its interval by a bootstrap."""

from __future__ import annotations

import math

import numpy as np
import pyarrow as pa
import pytest
from sklearn import metrics

from bentoml_ext.arrays import Ints
from bentoml_ext.compare.predictions.answered import Answered
from bentoml_ext.compare.predictions.kind import Kind
from bentoml_ext.compare.predictions.measures import Measure, measures
from bentoml_ext.compare.predictions.sides import agreement
from bentoml_ext.errors import ConfigError

VALUE, ORDER = Kind("value"), Kind("order")
CLASSES = Kind("classes", ("a", "b", "c"), has_chances=True)
BOOTSTRAPS = 1_000


def answered(
    values: list[float], outcomes: list[float], chances: list[float] | None = None, groups: int = 1
) -> Answered:
    n = len(values)
    return Answered(
        np.array(values, np.float32),
        np.array(outcomes, np.float64),
        np.array(chances or [math.nan] * n, np.float32),
        np.arange(n) * groups // n,
    )


def named(found: list[Measure]) -> dict[str, Measure]:
    return {one.name: one for one in found}


def test_the_errors_of_three_values() -> None:
    # Errors of 1, 0 and -2 beside outcomes of 1, 2 and 6, whose mean is 3.
    one = answered([2, 2, 4], [1, 2, 6])

    found = named(measures(VALUE, one, answered([1, 2, 6], [1, 2, 6]), is_paired=True))

    assert found["mae"].figures.champion.value == 1
    assert found["rmse"].figures.champion.value == pytest.approx(math.sqrt(5 / 3))
    # 1 - (1 + 0 + 4) / (4 + 1 + 9).
    assert found["r2"].figures.champion.value == pytest.approx(1 - 5 / 14)
    assert found["rmse"].figures.challenger.value == 0
    assert found["mae"].figures.difference.value == -1
    # The gaps of the errors are -1, 0 and -2, of variance 1.
    half = 1.959964 * math.sqrt(1 / 3)
    assert found["mae"].figures.difference.low == pytest.approx(-1 - half)


def test_the_classes_of_four_applications() -> None:
    # a is said twice and once rightly, b is said once and wrongly, c is right.
    one = answered([0, 0, 1, 2], [0, 1, 0, 2], [0.5, 0.25, 0.25, 1])

    found = named(measures(CLASSES, one, one, is_paired=True))

    assert found["accuracy"].figures.champion.value == 0.5
    # F1 of a is 2 / (2 + 2), of b 0, of c 1.
    assert found["macro_f1"].figures.champion.value == pytest.approx((0.5 + 0 + 1) / 3)
    losses = math.log(2) + 2 * math.log(4)
    assert found["log_loss"].figures.champion.value == pytest.approx(losses / 4)
    assert all(one.figures.difference.low == 0 for one in found.values())


def test_ndcg_of_two_groups() -> None:
    # The first group is in order. In the second the only hit stands second: 1 / log2(3).
    one = answered([2, 1, 2, 1], [1, 0, 0, 1], groups=2)

    found = named(measures(ORDER, one, one, is_paired=True))

    assert found["ndcg"].figures.champion.value == pytest.approx((1 + 1 / math.log2(3)) / 2)
    assert measures(ORDER, answered([2, 1], [1, 0]), answered([1, 2], [1, 0]), is_paired=True) == []


def test_log_loss_is_that_of_scikit_learn() -> None:
    random = np.random.default_rng(0)
    shares = random.dirichlet([1, 1, 1], 200)
    truth = random.integers(0, 3, 200)
    chances = shares[np.arange(200), truth].tolist()
    one = answered(shares.argmax(axis=1).tolist(), truth.tolist(), chances)

    found = named(measures(CLASSES, one, one, is_paired=True))

    expected = metrics.log_loss(truth, shares)
    assert found["log_loss"].figures.champion.value == pytest.approx(expected, rel=1e-6)


def test_the_paired_intervals_agree_with_a_bootstrap() -> None:
    random = np.random.default_rng(1)
    truth = random.normal(size=400)
    one, other = (truth + random.normal(size=400) * noise for noise in (0.5, 0.6))
    labels, guess, later = (random.integers(0, 3, 400) for _ in range(3))
    guess, later = np.where(random.random((2, 400)) < 0.6, labels, [guess, later])
    sides = [answered(side.tolist(), truth.tolist()) for side in (one, other)]
    said = [answered(side.tolist(), labels.tolist(), [0.5] * 400) for side in (guess, later)]
    values = named(measures(VALUE, sides[0], sides[1], is_paired=True))
    classes = named(measures(CLASSES, said[0], said[1], is_paired=True))

    def f1(rows: Ints, side: Ints) -> float:
        return float(metrics.f1_score(labels[rows], side[rows], average="macro"))

    draws: dict[str, list[float]] = {"rmse": [], "r2": [], "macro_f1": []}
    for _ in range(BOOTSTRAPS):
        rows = random.integers(0, 400, 400)
        squares = [np.mean((v[rows] - truth[rows]) ** 2) for v in (one, other)]
        draws["rmse"].append(math.sqrt(squares[1]) - math.sqrt(squares[0]))
        draws["r2"].append((squares[0] - squares[1]) / truth[rows].var())
        draws["macro_f1"].append(f1(rows, later) - f1(rows, guess))

    for name, found in draws.items():
        gap = (values | classes)[name].figures.difference
        low, high = np.quantile(found, [0.025, 0.975])
        # Of ends that a bootstrap of so many draws finds a tenth of the width apart.
        assert [gap.low, gap.high] == pytest.approx([low, high], abs=0.12 * (high - low))


def test_nothing_is_measured_of_one_outcome() -> None:
    one = answered([1], [1])

    assert measures(VALUE, one, one, is_paired=True) == []
    flat = answered([1, 2], [1, 1])
    assert "r2" not in named(measures(VALUE, flat, flat, is_paired=True))


def test_the_agreement_of_values_by_hand() -> None:
    found = agreement(VALUE, answered([1, 2, 3], [0, 0, 0]), answered([1, 4, 2], [0, 0, 0]))

    assert found.equal.value == pytest.approx(1 / 3)
    assert found.mean == pytest.approx(1 / 3)
    assert (found.median, found.largest) == (1, 2)
    # Ranks 1, 2, 3 against 1, 3, 2: 1 - 6 * 2 / (3 * 8).
    assert found.order == pytest.approx(0.5)


def test_outcomes_are_labels_or_numbers_and_never_guessed() -> None:
    places = Kind("classes", ("0", "1")).outcomes(pa.array([1.0, 0.0, None]), "y")

    np.testing.assert_array_equal(places, [1, 0, np.nan])
    assert CLASSES.outcomes(pa.array(["c", "a"]).dictionary_encode(), "y").tolist() == [2, 0]
    assert VALUE.outcomes(pa.array(["1.5", "2"]), "y").tolist() == [1.5, 2]
    with pytest.raises(ConfigError, match="labels a, b, c, or nothing, got 'd' - at the outcome"):
        CLASSES.outcomes(pa.array(["a", "d"]), "y")
    with pytest.raises(ConfigError, match="Expected numbers, got"):
        VALUE.outcomes(pa.array(["high"]), "y")
    with pytest.raises(ConfigError, match="finite numbers"):
        VALUE.outcomes(pa.array([math.inf]), "y")
    with pytest.raises(ConfigError, match="numbers from 0 on, got -1"):
        ORDER.outcomes(pa.array([-1, 2]), "y")
