"""XGBoost's C function for rows: the bits of `Booster.inplace_predict`, whoever calls at once."""

from __future__ import annotations

import ctypes
import gc
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import xgboost

from bentoml_ext.arrays import Margins, Rows
from bentoml_ext.backends.xgboost_capi import DensePredictor
from tests.support import small
from tests.support.small import assert_same_bits


def expected(booster: xgboost.Booster, rows: Rows) -> Margins:
    margins: Margins = booster.inplace_predict(rows, predict_type="margin")
    return margins.reshape(len(rows), -1)


@pytest.mark.parametrize("objective", ["binary:logistic", "reg:squarederror", "count:poisson"])
def test_calls_of_any_size_in_any_order_give_the_boosters_bits(objective: str) -> None:
    booster = small.booster(objective=objective)
    predictor = DensePredictor(booster)

    for n in (1, 7, 2, 4096, 1, 300):
        rows = small.rows(n, seed=n)
        assert_same_bits(expected=expected(booster, rows), got=predictor.margins(rows))


def test_a_single_row_is_read_anew_at_each_call() -> None:
    booster = small.booster()
    row = np.zeros((1, len(small.FEATURES)), np.float32)
    got = np.empty((1, 1), np.float32)
    call = DensePredictor(booster).single(row, got)

    for values in small.rows(50):
        row[0] = values
        call()
        assert_same_bits(expected=expected(booster, row), got=got)


def test_a_call_keeps_its_row_and_its_booster() -> None:
    row = small.rows(1)
    margin = expected(small.booster(), row)
    got = np.empty((1, 1), np.float32)
    call = DensePredictor(small.booster()).single(row, got)
    del row
    gc.collect()
    [np.full((1, 4), 9, np.float32) for _ in range(1000)]

    call()
    assert_same_bits(expected=margin, got=got)


def test_rows_of_another_order_are_read_as_they_are() -> None:
    booster, rows = small.booster(), small.rows(20)

    got = DensePredictor(booster).margins(np.asfortranarray(rows)[::2])

    assert_same_bits(expected=expected(booster, rows[::2].copy()), got=got)


def test_threads_do_not_mix_their_margins() -> None:
    booster = small.booster()
    predictor = DensePredictor(booster)
    many = [small.rows(1 + seed % 50, seed) for seed in range(200)]

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(predictor.margins, many * 5))

    for rows, margins in zip(many * 5, found, strict=True):
        assert_same_bits(expected=expected(booster, rows), got=margins)


@pytest.mark.parametrize("width", [3, 5])
def test_rows_of_another_width_are_never_read(width: int) -> None:
    predictor = DensePredictor(small.booster())

    with pytest.raises(xgboost.core.XGBoostError, match="Expected 4 features"):
        predictor.margins(np.zeros((2, width), np.float32))


def test_what_is_not_promised_is_where_it_was() -> None:
    # Should one of these move, the backend has to find another way to its library.
    assert isinstance(small.booster().handle, ctypes.c_void_p)
    for name in ("XGBoosterPredictFromDense", "XGProxyDMatrixCreate", "XGDMatrixFree"):
        assert getattr(xgboost.core._LIB, name)
