"""Every variant exports to a graph with XGBoost's own bits, on the rows where one would show."""

from __future__ import annotations

import functools
import warnings

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import xgboost as xgb

from benchmarks.comparison import (
    boundary_rows,
    equal_share,
    native_margins,
    native_predictions,
    run,
    session,
)
from benchmarks.variants import VARIANTS, Variant
from bentoml_ext.arrays import Floats, Rows
from bentoml_ext.boosters.ensemble import Ensemble
from bentoml_ext.boosters.xgb.confirm import read
from bentoml_ext.boosters.xgb.estimator import EstimatorView, Model
from bentoml_ext.export import to_onnx

BY_NAME = {variant.name: variant for variant in VARIANTS}
every_variant = pytest.mark.parametrize("name", BY_NAME)


@functools.cache
def made(name: str) -> tuple[Model, EstimatorView, Ensemble]:
    """Each model is made once for all its tests."""
    with warnings.catch_warnings(action="error"):
        model = BY_NAME[name].make()
    return model, *read(model)


@functools.cache
def graph(name: str, *, deterministic_threads: bool = False) -> onnx.ModelProto:
    return to_onnx(made(name)[0], deterministic_threads=deterministic_threads)


@functools.cache
def loaded(
    name: str, *, deterministic_threads: bool = False, threads: int = 1
) -> ort.InferenceSession:
    return session(graph(name, deterministic_threads=deterministic_threads), threads=threads)


@functools.cache
def asked(name: str, count: int) -> tuple[Rows, list[tuple[Floats, Floats]]]:
    """Finite rows, and their margins and predictions by each way of XGBoost's."""
    model, source, ensemble = made(name)
    rows = boundary_rows(ensemble, count, finite=True)
    ways = {source.inplace, source.inplace or ensemble.kind == "gbtree"}
    return rows, [
        (native_margins(model, rows, inplace=way), native_predictions(model, rows, inplace=way))
        for way in ways
    ]


def assert_same_bits(
    name: str, got: ort.InferenceSession, count: int, batch: int, first: int | None = None
) -> None:
    """Of `count` rows, the `first` ones have XGBoost's bits."""
    rows, expected = asked(name, count)
    outputs = run(got, rows[:first], batch=batch)
    for margins, predictions in expected:
        assert equal_share(margins[:first], outputs["margin"]) == 1.0
        assert equal_share(predictions[:first], outputs["prediction"]) == 1.0


@every_variant
@pytest.mark.parametrize(("batch", "count"), [(1, 60), (7, 210), (64, 640), (1000, 2000)])
def test_margin_and_prediction_have_the_bits_of_xgboost(name: str, batch: int, count: int) -> None:
    assert_same_bits(name, loaded(name), count, batch)


@every_variant
def test_infinities_have_the_bits_of_inplace_predict(name: str) -> None:
    model, _, ensemble = made(name)
    if ensemble.kind == "gblinear" or (ensemble.kind == "dart" and isinstance(model, xgb.Booster)):
        pytest.skip("XGBoost itself takes no infinity on this model's way")
    rows = boundary_rows(ensemble, 1000)
    outputs = run(loaded(name), rows, batch=1000)

    expected = native_margins(model, rows, inplace=True)
    assert equal_share(expected, outputs["margin"]) == 1.0
    expected = native_predictions(model, rows, inplace=True)
    assert equal_share(expected, outputs["prediction"]) == 1.0


@every_variant
def test_thread_proof_graph_has_the_bits_at_any_number_of_threads(name: str) -> None:
    for threads in (1, 2, 4):
        got = loaded(name, deterministic_threads=True, threads=threads)
        for batch, first in ((1, 30), (60, 120), (300, 300)):
            assert_same_bits(name, got, 300, batch, first)


@every_variant
def test_graph_declares_the_shapes_that_it_gives(name: str) -> None:
    model, _, ensemble = made(name)
    margin, prediction = graph(name).graph.output
    rows = np.zeros((3, ensemble.n_features), np.float32)
    native = native_predictions(model, rows, inplace=False).shape

    assert [d.dim_value for d in margin.type.tensor_type.shape.dim] == [0, ensemble.n_targets]
    assert [d.dim_value for d in prediction.type.tensor_type.shape.dim][1:] == list(native[1:])


@every_variant
def test_no_rows_give_no_margins(name: str) -> None:
    _, _, ensemble = made(name)
    none = np.zeros((0, ensemble.n_features), np.float32)

    for got in (loaded(name), loaded(name, deterministic_threads=True)):
        outputs = run(got, none, batch=1)
        assert outputs["margin"].shape == (0, ensemble.n_targets)
        assert len(outputs["prediction"]) == 0


def test_variants_have_names_of_their_own() -> None:
    assert len(BY_NAME) == len(VARIANTS)
    assert all(isinstance(variant, Variant) for variant in VARIANTS)
