"""Bits: every model that the kernel takes has the margins of XGBoost itself, by every strategy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import xgboost as xgb
from hypothesis import given

from benchmarks.comparison import boundary_rows
from benchmarks.variants import VARIANTS, Variant
from bentoml_ext.arrays import Margins, Rows
from bentoml_ext.boosters.ensemble import Ensemble, Linear
from bentoml_ext.boosters.xgb.confirm import read
from bentoml_ext_simd.form import packed
from bentoml_ext_simd.kernel import Forest, strategies
from tests.export.test_generated_models import SETTINGS, trained_boosters, written_boosters
from tests.support.small import assert_same_bits

ROWS = 333
"""Five blocks of 64 and a part of one."""


def margins(forest: Forest, rows: Rows) -> Margins:
    found = np.full((len(rows), forest.n_targets), np.nan, np.float32)
    forest.margins(rows, found)
    return found


def singles(forest: Forest, rows: Rows) -> Margins:
    row, found = rows[:1].copy(), np.empty((1, forest.n_targets), np.float32)
    call, every = forest.bind(row, found), []
    for one in rows:
        row[0] = one
        call()
        every.append(found.copy())
    return np.concatenate(every)


def assert_bits_of_xgboost(booster: xgb.Booster, ensemble: Ensemble) -> None:
    data = packed(ensemble)
    for finite in (True, False):
        rows = boundary_rows(ensemble, ROWS, finite=finite)
        if finite:
            native = booster.predict(xgb.DMatrix(rows), output_margin=True)
        elif ensemble.kind == "gbtree":
            native = booster.inplace_predict(rows, predict_type="margin")
        else:
            continue
        for strategy in strategies():
            forest = Forest(data, strategy)
            expected = native.reshape(len(rows), -1)
            assert_same_bits(expected=expected, got=margins(forest, rows))
            assert_same_bits(expected=expected[:40], got=singles(forest, rows[:40]))


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda variant: variant.name)
def test_every_kind_of_model_has_the_bits_of_xgboost(variant: Variant, strategy: str) -> None:
    source, ensemble = read(variant.make())
    if isinstance(ensemble.model, Linear):
        return
    forest = Forest(packed(ensemble), strategy)
    rows = boundary_rows(ensemble, ROWS, finite=True)
    given = np.where(rows == source.missing, np.nan, rows).astype(np.float32)

    assert_same_bits(expected=source.margins(rows), got=margins(forest, given))
    assert_same_bits(expected=source.margins(rows[:9]), got=singles(forest, given[:9]))


@SETTINGS
@given(trained_boosters())
def test_any_trained_booster_has_the_bits_of_xgboost(booster: xgb.Booster) -> None:
    assert_bits_of_xgboost(booster, read(booster)[1])


@SETTINGS
@given(written_boosters())
def test_any_written_tree_has_the_bits_of_xgboost(booster: xgb.Booster) -> None:
    assert_bits_of_xgboost(booster, read(booster)[1])


@pytest.mark.parametrize("depth", [1, 2, 3, 4, 5, 6, 7, 10])
@pytest.mark.parametrize("max_bin", [16, 256, 4000])
def test_each_depth_and_number_of_thresholds_has_the_bits(depth: int, max_bin: int) -> None:
    generator = np.random.default_rng(depth)
    rows = generator.normal(size=(5000, 21)).astype(np.float32)
    rows[generator.random(rows.shape) < 0.1] = np.nan
    rows[:, :6] = rows[:, :6] > 0
    labels = np.nan_to_num(rows[:, 7] * rows[:, 8] + rows[:, 9]) + generator.normal(size=5000)
    params: dict[str, Any] = {"max_depth": depth, "max_bin": max_bin, "nthread": 1, "seed": 1}
    booster = xgb.train(params | {"colsample_bytree": 0.3}, xgb.DMatrix(rows, label=labels), 43)
    ensemble = read(booster)[1]
    probes = np.concatenate([boundary_rows(ensemble, 3000), rows])

    native = booster.inplace_predict(probes, predict_type="margin")[:, None]
    for strategy in strategies():
        assert_same_bits(expected=native, got=margins(Forest(packed(ensemble), strategy), probes))


@pytest.mark.parametrize("n", [0, 1, 2, 7, 8, 9, 31, 42, 63, 64, 65, 106, 128, 200])
@pytest.mark.parametrize("depth", [6, 9])
def test_no_number_of_rows_changes_a_bit_or_writes_beyond(
    n: int, depth: int, strategy: str
) -> None:
    rows = np.random.default_rng(0).normal(size=(200, 3)).astype(np.float32)
    params = {"objective": "multi:softprob", "num_class": 3, "nthread": 1, "max_depth": depth}
    params |= {"min_child_weight": 0}
    booster = xgb.train(params, xgb.DMatrix(rows, label=np.arange(200) % 3), 9)
    forest = Forest(packed(read(booster)[1]), strategy)
    around = np.full((n + 2, 3), 7, np.float32)
    forest.margins(rows[:n], around[1:-1])

    assert_same_bits(expected=margins(forest, rows)[:n], got=around[1:-1])
    assert (around[[0, -1]] == 7).all()


def test_shallow_trees_are_scored_by_the_strategy_asked_for(strategy: str) -> None:
    rows = np.random.default_rng(0).normal(size=(200, 3)).astype(np.float32)
    params = {"max_depth": 6, "nthread": 1}
    booster = xgb.train(params, xgb.DMatrix(rows, label=rows[:, 0]), 9)

    assert Forest(packed(read(booster)[1]), strategy).strategy == strategy
