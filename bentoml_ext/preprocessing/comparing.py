"""Comparing: an encoder's rows, and the booster's answers to them, against the pipeline's own."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from bentoml_ext.arrays import Floats, Rows
from bentoml_ext.boosters.xgb.confirm import read
from bentoml_ext.boosters.xgb.oracle import Oracle
from bentoml_ext.encoders.edges import beside_edges
from bentoml_ext.encoders.encoder import Encoder
from bentoml_ext.export.pipelines.rows import PipelineRows
from bentoml_ext.export.pipelines.tables import TEXT
from bentoml_ext.preprocessing.compiling import Compiled, takes
from bentoml_ext.preprocessing.frames import applications_of, kind_of
from bentoml_ext.preprocessing.natives import frame_of_codes, handed_on
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
    comparison = BitComparison("pipeline", SERVICE, note)
    oracle = Oracle(booster, read(booster)[1])
    for said, frame in _frames(compiled, seed):
        applications = applications_of(said, compiled.encoder)
        taken = np.array([takes(compiled.encoder, one) for one in applications], np.bool_)
        taken &= ~_nearly_zero(frame) if compiled.sparse else True
        if not taken.any():
            continue
        sent = [one for one, is_taken in zip(applications, taken, strict=True) if is_taken]
        rows, some = compiled.encoder.rows(sent), compiled.given(frame[taken], sent)
        comparison.compare("row", _own_rows(compiled, some), _one_nan(rows), rows)
        found = oracle.truth(rows).predictions
        own = _own_predictions(compiled.pipeline, some, found.shape[1])
        comparison.compare("prediction", own, found.reshape(own.shape), rows)
        comparison.seen(len(rows))
    return comparison.part()


def _frames(compiled: Compiled, seed: int) -> Iterator[tuple[Any, Any]]:
    """The example, rows that are made of its values, and rows on the edges of ranges.

    Twice each: as an application says it, and as the pipeline takes it.
    """
    example = compiled.example
    for start in range(0, min(len(example), MOST), BLOCK):
        yield (some := example.iloc[start : start + BLOCK]), some
    kinds = tuple(
        dtype if isinstance(dtype, np.dtype) and dtype.kind in "fiub" else TEXT
        for dtype in example.dtypes
    )
    made = PipelineRows(example, kinds)
    fields = {field.name for field in compiled.encoder.fields}
    unused = [name for name in example if name not in fields]
    for missing in (False, True):
        some = _as_trained(made.shuffled(MADE_UP, seed, missing=missing).rows, example, unused)
        yield some, some
    some = _as_trained(made.shuffled(MADE_UP, seed + 1, missing=False).rows, example, unused)
    said = _on_edges(compiled.encoder, some, seed)
    singles = [name for name in example if kind_of(example[name]) == np.float32]
    yield said, said.astype(dict.fromkeys(singles, np.float32))


def _nearly_zero(frame: Any) -> npt.NDArray[np.bool_]:
    """The rows with a number that is 0 in float32 alone: a sparse matrix keeps it, 0 it does not.

    No data has any, and to the encoder it is 0.
    """
    numbers = frame.select_dtypes(np.float64).to_numpy()
    with np.errstate(under="ignore"):
        found: npt.NDArray[np.bool_] = ((numbers != 0) & (numbers.astype(np.float32) == 0)).any(1)
    return found


def _as_trained(frame: Any, example: Any, unused: Sequence[str]) -> Any:
    """The rows with columns that no field is of as in the example: a step may check them still."""
    if unused:
        rows = np.arange(len(frame)) % len(example)
        frame[unused] = example[unused].iloc[rows].set_index(frame.index)
    return frame


def _on_edges(encoder: Encoder, frame: Any, seed: int) -> Any:
    """The same rows with numbers on the edges of ranges and beside them, and with both zeros."""
    random = np.random.default_rng(seed)
    for field in encoder.fields:
        kind = kind_of(frame[field.name])
        edges = beside_edges(encoder, field)
        if field.is_listed or kind is None or not (len(edges) or kind.kind == "f"):
            continue
        own = frame[field.name].to_numpy(np.float64, na_value=np.nan)
        values = random.choice([*edges, 0.0, -0.0], len(frame))
        some = random.random(len(frame)) < 0.5
        frame[field.name] = np.where(some, values, own)
    return frame


def _own_predictions(pipeline: Any, frame: Any, width: int) -> Floats:
    """float32, (n, columns): what the pipeline predicts; of two classes the second."""
    with warnings.catch_warnings(action="ignore"):
        if not hasattr(pipeline, "predict_proba"):
            own = np.asarray(pipeline.predict(frame), np.float32)
            return own.reshape(len(own), -1)
        own = np.asarray(pipeline.predict_proba(frame), np.float32)
    return own[:, 1:] if own.shape[1] == width + 1 else own


def _own_rows(compiled: Compiled, given: Any) -> Rows:
    """float32: what the pipeline gives its estimator, as XGBoost reads it."""
    made = handed_on(compiled.pipeline, given)
    if hasattr(made, "dtypes"):
        made = frame_of_codes(made, compiled.natives)
    if hasattr(made, "tocoo"):
        # An entry that a sparse matrix does not hold is missing, and not 0.
        held, rows = made.tocoo(), np.full(made.shape, np.nan)
        rows[held.row, held.col] = held.data
    else:
        rows = np.asarray(made)
    with np.errstate(over="ignore"):
        rows = rows.astype(np.float32)
    marker = np.float32(compiled.estimator.missing)
    rows = np.where(rows == marker, np.float32(np.nan), rows)
    for at, sides in compiled.sides.items():
        rows[:, at] = sides.cells(rows[:, at])
    return _one_nan(rows)


def _one_nan(rows: Floats) -> Floats:
    """The same with one NaN among all that there are."""
    return np.where(np.isnan(rows), np.float32(np.nan), rows)
