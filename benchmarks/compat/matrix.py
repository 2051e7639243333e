"""Every kind of model, exported and compared with XGBoost, by the libraries of this process."""

from __future__ import annotations

import warnings

import numpy as np
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
from bentoml_ext.boosters.xgb.confirm import read
from bentoml_ext.errors import ExportRefused
from bentoml_ext.export import to_onnx

__all__ = ["EXACT", "verdicts"]

EXACT = "exact"
# Each batch is a way of its own through ONNX Runtime's kernel.
BATCHES = {1: 60, 64: 640, 1000: 1000}


def verdicts() -> dict[str, str]:
    """By the name of a kind of model: "exact", or what happened instead."""
    warnings.simplefilter("ignore")
    xgb.set_config(verbosity=0)
    return {variant.name: _verdict(variant) for variant in VARIANTS}


def _verdict(variant: Variant) -> str:
    try:
        model = variant.make()
    except (xgb.core.XGBoostError, TypeError, ValueError) as error:
        return f"unknown to this XGBoost: {_line(error)}"
    try:
        return _compared(model)
    except ExportRefused as error:
        return f"refused: {_line(error)}"
    except Exception as error:
        return f"failed: {type(error).__name__}: {_line(error)}"


def _compared(model: xgb.Booster | xgb.XGBModel) -> str:
    source, ensemble = read(model)
    rows = boundary_rows(ensemble, max(BATCHES.values()), finite=not source.inplace)
    margins = native_margins(model, rows, inplace=source.inplace)
    predictions = native_predictions(model, rows, inplace=source.inplace)
    shares = []
    for threads in (1, 2):
        graph = session(to_onnx(model, deterministic_threads=threads > 1), threads=threads)
        for batch, count in BATCHES.items():
            outputs = run(graph, rows[:count], batch=batch)
            shares.append(equal_share(margins[:count], outputs["margin"]))
            shares.append(equal_share(predictions[:count], outputs["prediction"]))
    # Rounded down: 100 % is said of nothing but all.
    return EXACT if min(shares) == 1 else f"NOT EXACT: {np.floor(min(shares) * 1e4) / 1e2:.2f} %"


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
