"""Every objective of XGBoost in numpy: the bits of the booster's own predictions."""

from __future__ import annotations

import subprocess
import sys
from typing import Any, ClassVar

import numpy as np
import pytest

from benchmarks.making import OBJECTIVES as TRAINED
from benchmarks.making import VERSION, objective
from bentoml_ext.arrays import Floats, Margins
from bentoml_ext.boosters.xgb import ubjson
from bentoml_ext.boosters.xgb.confirm import read
from bentoml_ext.boosters.xgb.transform import predictions_of
from bentoml_ext.errors import ConfigError
from bentoml_ext.export.graph.predictions import OBJECTIVES as IN_GRAPHS
from bentoml_ext.objectives.base import Objective, Output
from bentoml_ext.objectives.classes import first_largest
from bentoml_ext.objectives.logistic import first_margin_above
from bentoml_ext.objectives.table import OBJECTIVES, log_odds, objective_of

KINDS: dict[str, dict[str, Any]] = {name: {} for name in TRAINED}
KINDS |= {"reg:quantileerror ": {"quantile_alpha": [0.1, 0.4, 0.5, 0.9]}}
if VERSION >= (3, 3):
    KINDS["reg:expectileerror "] = {"expectile_alpha": [0.1, 0.5, 0.9]}
ODD = (np.nan, np.inf, -np.inf, 0.0, -0.0, 1e-45, -1e-45, 3.4028235e38, -3.4028235e38, 88.7, -104)


def margins_of(n_margins: int, sorts: bool) -> Margins:
    """Of all sizes, ties among them; each odd number in each place."""
    random = np.random.default_rng(n_margins)
    scales = np.repeat([4.0, 30.0, 1e-3, 1e3], [20_000, 5_000, 2_000, 2_000])[:, None]
    usual = (random.normal(size=(len(scales), n_margins)) * scales).astype(np.float32)
    usual[::40] = np.round(usual[::40])
    # The order of a row with NaN is not defined.
    odd = np.array(ODD[1:] if sorts else ODD, np.float32)
    beside = np.tile(usual[: len(odd)], (n_margins + 1, 1))
    for place in range(n_margins):
        beside[place * len(odd) : (place + 1) * len(odd), place] = odd
    beside[n_margins * len(odd) :] = odd[:, None]
    return np.concatenate([usual, beside])


def same(expected: Floats, got: Floats) -> bool:
    """Equal bits, but for the payload of NaN."""
    assert expected.shape == got.shape
    assert got.dtype == np.float32
    return np.array_equal(np.isnan(expected), np.isnan(got)) and np.array_equal(
        np.nan_to_num(expected).view(np.uint32), np.nan_to_num(got).view(np.uint32)
    )


@pytest.mark.parametrize("kind", KINDS)
def test_predictions_of_any_margins_have_the_bits_of_xgboost(kind: str) -> None:
    booster = objective(kind.strip(), **KINDS[kind])
    _, ensemble = read(booster)
    margins = margins_of(ensemble.n_targets, bool(ensemble.transform))
    kept = margins.copy()

    got = objective_of(ensemble.objective, ensemble.transform).predict(margins)

    document = ubjson.decode(bytes(booster.save_raw("ubj")))
    assert same(predictions_of(document, margins), got)
    assert same(kept, margins)


@pytest.mark.parametrize("n_margins", [1, 3])
@pytest.mark.parametrize("name", OBJECTIVES)
def test_one_row_has_the_bits_of_many(name: str, n_margins: int) -> None:
    made, margins = objective_of(name), margins_of(n_margins, sorts=True)
    margins = np.concatenate([margins[:2_000:2], margins[-30:]])

    singly = [made.served_one(row) for row in margins[:, None]]

    assert same(made.served(margins), np.array(singly, np.float32))


def test_the_table_has_every_objective_of_a_graph() -> None:
    assert OBJECTIVES.keys() == IN_GRAPHS.keys()
    assert all(one.name == name for name, one in OBJECTIVES.items())


def test_an_unknown_objective_is_refused_by_name() -> None:
    with pytest.raises(ConfigError, match="got 'reg:other' - at the objective"):
        objective_of("reg:other")


@pytest.mark.parametrize("name", log_odds())
def test_a_log_odds_is_served_as_its_sigmoid(name: str) -> None:
    margins = np.array([[0.0], [-9.0], [30.0]], np.float32)
    one = objective_of(name)

    assert one.served(margins)[0] == 0.5
    assert one.served(margins)[2] == 1
    assert one.predicts_margins == np.array_equal(one.predict(margins), margins)
    assert one.crossing(0.3) == first_margin_above(0.3)


@pytest.mark.parametrize("name", sorted(OBJECTIVES))
def test_only_a_log_odds_has_a_crossing(name: str) -> None:
    one = objective_of(name)

    assert (one.crossing(0.5) is not None) == (one.output == "probability")


@pytest.mark.parametrize("name", sorted(OBJECTIVES))
def test_no_margins_give_no_predictions(name: str) -> None:
    assert objective_of(name).predict(np.empty((0, 3), np.float32)).shape[0] == 0


def test_the_first_of_equal_scores_wins() -> None:
    scores = np.array([[1, 3, 3], [2, 2, 1], [np.nan, 1, 2], [1, np.nan, 2]], np.float32)

    assert first_largest(scores)[:, 0].tolist() == [1, 0, 0, 2]


class Cloglog(Objective):
    """An objective of another package."""

    output: ClassVar[Output] = "value"

    def predict(self, margins: Margins) -> Floats:
        return -np.expm1(-np.exp(margins))


def test_an_objective_of_another_hand_needs_a_name_and_a_prediction() -> None:
    one = Cloglog("binary:cloglog")

    assert one.count == "targets"
    assert one.crossing(0.5) is None
    assert same(one.predict(np.zeros((2, 1), np.float32)), one.served(np.zeros((2, 1), np.float32)))


def test_objectives_need_numpy_alone() -> None:
    code = (
        "import sys, bentoml_ext.objectives.table; "
        "sys.exit(any(name in sys.modules for name in ('xgboost', 'onnx', 'onnxruntime', 'scipy')))"
    )

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
