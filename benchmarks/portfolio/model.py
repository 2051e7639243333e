"""Model: what everyone does without the plugin, from a data frame to probabilities.

`fillna(0)`, a dictionary for each application, DictVectorizer, and XGBoost or ONNX Runtime.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from benchmarks.vectorizing import vectorizer
from models.fields import FIELDS

__all__ = ["Library", "Model", "opened", "statuses"]

Library: TypeAlias = Literal["xgboost", "onnx"]
Floats: TypeAlias = npt.NDArray[np.float32]

NAMES = [field.name for field in FIELDS]
FILLED = {field.name: 0 for field in FIELDS if field.nullable}


class Model:
    """A model as such programs load it.

    Args:
        folder: of a bundle, for its booster.ubj, graph.onnx and names of columns.
        library: that predicts.
    """

    def __init__(self, folder: Path, library: Library = "xgboost") -> None:
        features = json.loads((folder / "encoder.json").read_text())["features"]
        self._vectorizer = vectorizer(features)
        predict = _xgboost if library == "xgboost" else _onnx
        self.probabilities: Callable[[Any], Floats] = predict(folder)

    def rows(self, frame: Any) -> npt.NDArray[np.float64]:
        """The rows of a pandas data frame of applications, by way of a dictionary for each."""
        applications = frame[NAMES].fillna(FILLED).to_dict("records")
        rows: npt.NDArray[np.float64] = self._vectorizer.transform(applications)
        return rows


@cache
def opened(folder: Path) -> Model:
    """The model with XGBoost, loaded once in a process: for workers that are sent functions."""
    return Model(folder)


def statuses(probabilities: Floats) -> npt.NDArray[np.str_]:
    """The course's decisions."""
    return np.select([probabilities > 0.5, probabilities > 0.3], ["DECLINED", "MAYBE"], "APPROVED")


def _xgboost(folder: Path) -> Callable[[Any], Floats]:
    import xgboost as xgb

    booster = xgb.Booster({"nthread": 1}, model_file=folder / "booster.ubj")
    return lambda rows: booster.predict(xgb.DMatrix(rows, nthread=1))


def _onnx(folder: Path) -> Callable[[Any], Floats]:
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(
        str(folder / "graph.onnx"), options, providers=["CPUExecutionProvider"]
    )
    name = session.get_inputs()[0].name

    def probabilities(rows: Any) -> Floats:
        (margins,) = session.run(["margin"], {name: rows.astype(np.float32)})
        # As one writes it. numpy's exponential is not the C library's: last bits differ.
        probabilities: Floats = 1 / (1 + np.exp(-margins[:, 0]))
        return probabilities

    return probabilities
