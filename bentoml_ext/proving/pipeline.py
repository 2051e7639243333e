"""Pipeline: any ONNX file against the scikit-learn pipeline that it was made of."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import onnxruntime as ort
import pandas as pd

from bentoml_ext.arrays import Floats
from bentoml_ext.backends.onnx_session import run, session
from bentoml_ext.errors import BackendError, FeatureMismatch
from bentoml_ext.export.pipelines.rows import PipelineRows
from bentoml_ext.proof.bits import BitComparison
from bentoml_ext.proof.record import Difference, Part
from bentoml_ext.proving.pipeline_examples import values_of_columns

__all__ = ["judge_by_pipeline"]

CHUNK: Final = 10_000
_TYPES: Final[dict[str, Any]] = {
    "tensor(float)": np.float32,
    "tensor(double)": np.float64,
    "tensor(int64)": np.int64,
    "tensor(int32)": np.int32,
    "tensor(bool)": np.bool_,
    "tensor(string)": object,
}


def judge_by_pipeline(
    data: bytes, pipeline: Any, given: Any = None, *, random_rows: int, seed: int = 0
) -> list[Part]:
    """Compare each output of a file with the pipeline's `predict_proba` or `predict`.

    Args:
        data: the ONNX file.
        pipeline: fitted.
        given: a DataFrame of the user's own rows; without it rows are made of the learnt values.
        random_rows: made of the given ones, besides them.
        seed: of what is random.

    Raises:
        BackendError: ONNX Runtime refuses the file, or it gives nothing to compare.
        FeatureMismatch: it takes other columns, or the rows lack some.
    """
    file = _File(data, pipeline)
    rows = file.made(seed) if given is None else file.chosen(given)
    parts = [] if given is None else _part("given", file, pipeline, [rows])
    known = PipelineRows.of(rows)
    parts += _part("random", file, pipeline, _shuffled(known, random_rows, seed, missing=False))
    try:
        pipeline.predict(known.shuffled(10, seed, missing=True).rows)
    except ValueError:
        return parts
    gaps = _shuffled(known, random_rows // 10, seed + 1, missing=True)
    return parts + _part("missing", file, pipeline, gaps)


def _shuffled(known: PipelineRows, n: int, seed: int, *, missing: bool) -> Iterator[Any]:
    for i, start in enumerate(range(0, n, CHUNK)):
        yield known.shuffled(min(CHUNK, n - start), seed + 1_000 * i, missing=missing).rows


class _File:
    """An ONNX file that takes what the pipeline takes."""

    def __init__(self, data: bytes, pipeline: Any) -> None:
        try:
            # The order of a sum may depend on threads; with one a file is at its best.
            self._session: ort.InferenceSession = session(data, 1)
        except Exception as error:
            reason = str(error).strip().splitlines()[0]
            raise BackendError(f"Expected an ONNX file, got {reason} - at ONNX Runtime.") from error
        self._inputs = self._session.get_inputs()
        self.names = [str(name) for name in getattr(pipeline, "feature_names_in_", [])]
        self._pipeline, self.n_columns = pipeline, int(pipeline.n_features_in_)
        if unknown := [one.type for one in self._inputs if one.type not in _TYPES]:
            raise FeatureMismatch(f"Expected tensors, got {unknown} - at the file's inputs.")
        if len(self._inputs) not in (1, self.n_columns):
            raise FeatureMismatch(
                f"Expected one input or {self.n_columns}, got {len(self._inputs)} - at the file."
            )

    def made(self, seed: int) -> Any:
        """Rows of values that the steps know: a DataFrame if the pipeline knows names."""
        random = np.random.default_rng(seed)
        values = values_of_columns(self._pipeline, self.n_columns)
        names = self.names or [f"column {i}" for i in range(self.n_columns)]
        kinds = [_TYPES[one.type] for one in self._inputs]
        kinds *= self.n_columns // len(kinds)
        columns = {}
        for name, known, kind in zip(names, values, kinds, strict=True):
            at = random.integers(len(known), size=max(1_000, len(known)))
            made = np.array([known[i] for i in at], object)[:1_000]
            columns[name] = pd.Series(made if kind is object else made.astype(kind))
        frame = pd.DataFrame(columns)
        return frame if self.names else frame.to_numpy(kinds[0])

    def chosen(self, given: pd.DataFrame) -> Any:
        """The columns of the user's rows that the pipeline takes."""
        if lacking := [name for name in self.names if name not in given.columns]:
            raise FeatureMismatch(
                f"Expected columns {', '.join(self.names)}, got none called "
                f"{', '.join(lacking)} - at --data."
            )
        if self.names:
            return given[self.names]
        if given.shape[1] != self.n_columns:
            raise FeatureMismatch(
                f"Expected {self.n_columns} columns, got {given.shape[1]} - at --data."
            )
        return given.to_numpy()

    def run(self, rows: Any) -> dict[str, npt.NDArray[Any]]:
        """Every output; of maps, their values by rising key."""
        frame = rows if isinstance(rows, pd.DataFrame) else pd.DataFrame(rows)
        feed = {}
        for i, one in enumerate(self._inputs):
            some = frame if len(self._inputs) == 1 else frame.iloc[:, [i]]
            by_name = len(self._inputs) > 1 and one.name in frame.columns
            feed[one.name] = (frame[[one.name]] if by_name else some).to_numpy(_TYPES[one.type])
        try:
            found = run(self._session, None, feed)
        except Exception as error:
            reason = str(error).strip().splitlines()[0]
            raise BackendError(f"Expected rows for this file, got {reason} - at it.") from error
        names = [one.name for one in self._session.get_outputs()]
        return {name: _array(value) for name, value in zip(names, found, strict=True)}


def _array(value: Any) -> npt.NDArray[Any]:
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return np.array([[one[key] for key in sorted(one)] for one in value], np.float32)
    return np.asarray(value)


@dataclass(frozen=True, eq=False)
class _Said:
    """The pipeline's labels and probabilities of rows."""

    labels: npt.NDArray[Any]
    probabilities: Floats | None

    @classmethod
    def of(cls, pipeline: Any, rows: Any) -> _Said:
        has_probabilities = hasattr(pipeline, "predict_proba")
        probabilities = (
            np.asarray(pipeline.predict_proba(rows), np.float32) if has_probabilities else None
        )
        return cls(np.asarray(pipeline.predict(rows)), probabilities)

    def beside(self, got: npt.NDArray[Any]) -> npt.NDArray[Any] | None:
        """The pipeline's own values of an output, by its kind and shape; None if it has none."""
        if not np.issubdtype(got.dtype, np.floating):
            return self.labels.reshape(got.shape) if self.labels.size == got.size else None
        wanted = (
            self.labels.astype(np.float32) if self.probabilities is None else self.probabilities
        )
        if wanted.ndim == 2 and wanted.shape[1] == 2 and got.size == len(got):
            wanted = np.ascontiguousarray(wanted[:, 1])
        return wanted.reshape(got.shape) if wanted.size == got.size else None


def _part(name: str, file: _File, pipeline: Any, batches: Any) -> list[Part]:
    comparisons: dict[str, BitComparison] = {}
    labels: dict[str, Part] = {}
    for rows in batches:
        said = _Said.of(pipeline, rows)
        numbers = _numbers(rows)
        for output, got in file.run(rows).items():
            if (wanted := said.beside(got)) is None:
                continue
            if np.issubdtype(got.dtype, np.floating):
                comparison = comparisons.setdefault(
                    output, BitComparison(name, output, _note(output, said))
                )
                found = np.ascontiguousarray(got, np.float32)
                comparison.compare("prediction", wanted, found, numbers)
                comparison.seen(len(numbers))
            else:
                labels[output] = _labels(name, output, wanted, got, labels.get(output))
    if not comparisons and not labels:
        raise BackendError(
            "Expected an output of the pipeline's predictions or labels, got none - at the file."
        )
    return [*(comparison.part() for comparison in comparisons.values()), *labels.values()]


def _note(output: str, said: _Said) -> str:
    asked = "predict" if said.probabilities is None else "predict_proba"
    return f"output '{output}' with the pipeline's {asked}, on one intra-op thread"


def _labels(name: str, output: str, wanted: Any, got: Any, before: Part | None) -> Part:
    differ = np.flatnonzero((wanted != got).ravel())
    start = before.checked if before else 0
    first = before.difference if before else None
    if len(differ) and first is None:
        at = int(differ[0])
        words = str(wanted.ravel()[at]), str(got.ravel()[at])
        first = Difference(name, output, "label", *words, row=start + at // (got.size // len(got)))
    return Part(
        name=name,
        subject=output,
        checked=start + len(got),
        compared=(before.compared if before else 0) + got.size,
        equal=(before.equal if before else 0) + got.size - len(differ),
        decision_flips=((before.decision_flips or 0) if before else 0) + len(differ),
        note=f"output '{output}' with the pipeline's predict",
        difference=first,
    )


def _numbers(rows: Any) -> Floats:
    """float32, (n, n_columns): the rows for a report; without columns if some are texts."""
    try:
        return np.ascontiguousarray(np.asarray(rows), np.float32)
    except (TypeError, ValueError):
        return np.empty((len(rows), 0), np.float32)
