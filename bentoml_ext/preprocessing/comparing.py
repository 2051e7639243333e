"""Comparing: an encoder's rows, and the booster's answers to them, against the pipeline's own."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from bentoml_ext.arrays import Floats, Rows
from bentoml_ext.export.pipelines.rows import PipelineRows
from bentoml_ext.export.pipelines.tables import TEXT
from bentoml_ext.preprocessing.asking import transformed
from bentoml_ext.preprocessing.compiling import (
    Compiled,
    applications_of,
    is_text,
    takes,
)
from bentoml_ext.proof.bits import BitComparison
from bentoml_ext.proof.part import Part
from bentoml_ext.proof.record import SERVICE

if TYPE_CHECKING:
    import xgboost

__all__ = ["compare_pipeline"]

MADE_UP: Final = 2_000
"""Rows that are made of the example's values, besides the example's own."""

MOST: Final = 20_000
"""Rows of an example that are compared."""

BLOCK: Final = 2_000


def compare_pipeline(compiled: Compiled, booster: xgboost.Booster, seed: int = 0) -> Part:
    """A part of the proof: the rows of the pipeline's own `transform`, and its predictions.

    On the example's rows and on rows that are made of its values: in another order in each column,
    with numbers beside them, and missing. What the encoder refuses is left out.

    Args:
        compiled: the pipeline, and what has become of it.
        booster: that is stored.
        seed: of what is made up.
    """
    note = "scikit-learn's transform and predict_proba: the rows of Encoder, the booster's answers"
    tally = BitComparison("pipeline", SERVICE, note)
    for frame in _frames(compiled.example, seed):
        applications = applications_of(frame, compiled.encoder)
        taken = np.array([takes(compiled.encoder, one) for one in applications], np.bool_)
        if not taken.any():
            continue
        some = frame[taken]
        rows = compiled.encoder.rows(
            [one for one, is_taken in zip(applications, taken, strict=True) if is_taken]
        )
        tally.compare("row", _own_rows(compiled, some), _one_nan(rows), rows)
        with warnings.catch_warnings(action="ignore"):
            own = compiled.pipeline.predict_proba(some)[:, 1].astype(np.float32)
        found = booster.inplace_predict(rows, validate_features=False)
        tally.compare("probability", own, np.asarray(found, np.float32), rows)
        tally.seen(len(rows))
    return tally.part()


def _frames(example: Any, seed: int) -> Iterator[Any]:
    for start in range(0, min(len(example), MOST), BLOCK):
        yield example.iloc[start : start + BLOCK]
    kinds = tuple(
        TEXT if is_text(example[name]) else np.dtype(str(example[name].dtype)) for name in example
    )
    for missing in (False, True):
        yield PipelineRows(example, kinds).shuffled(MADE_UP, seed, missing=missing).rows


def _own_rows(compiled: Compiled, frame: Any) -> Rows:
    """float32: what the pipeline gives its estimator."""
    rows = transformed(compiled.pipeline[:-1], frame)
    with np.errstate(over="ignore"):
        rows = rows.astype(np.float32)
    if (marker := compiled.encoder.missing) is not None:
        # As XGBoost reads them: a sparse matrix holds no 0, and an estimator has its own marker.
        rows = np.where(rows == np.float32(marker), np.float32(np.nan), rows)
    return _one_nan(rows)


def _one_nan(rows: Floats) -> Floats:
    """The same with one NaN among all that there are."""
    return np.where(np.isnan(rows), np.float32(np.nan), rows)
