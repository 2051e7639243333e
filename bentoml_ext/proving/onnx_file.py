"""ONNX file: any ONNX file against any booster, by the bits of its outputs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import msgspec
import numpy as np
import onnx
import xgboost as xgb

from bentoml_ext.arrays import Floats, Rows
from bentoml_ext.backends.onnx_session import run, session
from bentoml_ext.boosters.base import Truth
from bentoml_ext.boosters.ensemble import Ensemble
from bentoml_ext.boosters.xgb.confirm import read
from bentoml_ext.boosters.xgb.oracle import Oracle, on_one_thread
from bentoml_ext.decisions.bands import BandDecider
from bentoml_ext.decisions.deciding import decider_of, default_policy
from bentoml_ext.decisions.presets import APPROVAL
from bentoml_ext.errors import BackendError, FeatureMismatch
from bentoml_ext.objectives.base import Objective
from bentoml_ext.proof.bits import BitComparison
from bentoml_ext.proof.record import Part
from bentoml_ext.proof.sigmoid import compare_own, own_comparison
from bentoml_ext.proving.every_form import ProofProgress
from bentoml_ext.proving.first_divergence import first_tree
from bentoml_ext.proving.row_sampler import Sampler

__all__ = ["Judged", "compare_onnx_file"]

_MARGINS, _PREDICTIONS = "margin", "prediction"
_INPUTS: Final = {"tensor(float)": np.float32, "tensor(double)": np.float64}


@dataclass(frozen=True, eq=False)
class _Output:
    """An output of the file and what of the booster it is compared with."""

    name: str
    compared_with: str

    def expected(self, truth: Truth, objective: Objective) -> Floats:
        if self.compared_with == _MARGINS:
            return truth.margins
        # On a machine with another expf a file is to have the probability that is served.
        return truth.predictions if objective.predicts_margins else truth.served


class _File:
    """An ONNX file that takes rows."""

    def __init__(self, data: bytes, n_features: int) -> None:
        try:
            self.graph = onnx.load_from_string(data)
            # The order of a sum depends on threads; with one a file is at its best.
            self._session = session(data, threads=1)
        except Exception as error:
            raise BackendError(
                f"Expected an ONNX file, got {_first_line(error)} - at ONNX Runtime."
            ) from error
        inputs = self._session.get_inputs()
        if len(inputs) != 1 or inputs[0].type not in _INPUTS or len(inputs[0].shape) != 2:
            declared = ", ".join(f"{one.name} {one.type} {one.shape}" for one in inputs)
            raise FeatureMismatch(f"Expected one input of rows, got {declared} - at the ONNX file.")
        # A name, or no number, stands for any width: ONNX Runtime checks it.
        width = inputs[0].shape[1]
        if isinstance(width, int) and width != n_features:
            raise FeatureMismatch(
                f"Expected rows of {n_features} features, got {width} - at the ONNX file."
            )
        self._input, self._dtype = inputs[0].name, _INPUTS[inputs[0].type]

    def run(self, rows: Rows) -> dict[str, Floats]:
        """Every output that is made of floats, (n, k); of maps, their values by rising key."""
        try:
            found = run(self._session, None, {self._input: rows.astype(self._dtype)})
        except Exception as error:
            raise BackendError(
                f"Expected answers to rows {rows.shape}, got {_first_line(error)} - at ONNX "
                "Runtime."
            ) from error
        names = [output.name for output in self._session.get_outputs()]
        columns = {name: _columns(value) for name, value in zip(names, found, strict=True)}
        return {name: value for name, value in columns.items() if value is not None}


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [repr(error)])[0][:300]


def _columns(value: Any) -> Floats | None:
    if isinstance(value, list) and value and isinstance(value[0], dict):
        value = np.array([[one[key] for key in sorted(one)] for one in value], np.float32)
    if not isinstance(value, np.ndarray) or not np.issubdtype(value.dtype, np.floating):
        return None
    table = np.ascontiguousarray(value, np.float32)
    return table.reshape(len(table), -1)


@dataclass(frozen=True, eq=False)
class Judged:
    """The result for a file.

    Args:
        oracle: the booster.
        parts: by kind of rows and by output of the file.
    """

    oracle: Oracle
    parts: list[Part]


def compare_onnx_file(
    data: bytes,
    booster: xgb.Booster,
    *,
    random_rows: int,
    seed: int = 0,
    on_progress: ProofProgress | None = None,
    missing: float | None = None,
) -> Judged:
    """Compare every output of an ONNX file that is made of floats; see `verify_file`."""
    _, ensemble = read(booster)
    oracle, sampler = Oracle(booster, ensemble, missing), Sampler(ensemble, seed)
    with on_one_thread(booster):
        report = on_progress or (lambda _done, _total: None)
        return _judge(data, oracle, ensemble, sampler, random_rows=random_rows, report=report)


def _judge(
    data: bytes,
    oracle: Oracle,
    ensemble: Ensemble,
    sampler: Sampler,
    *,
    random_rows: int,
    report: ProofProgress,
) -> Judged:
    file = _File(data, ensemble.n_features)
    outputs = _outputs(file, oracle, sampler.sensible(64))
    total = sampler.count(random_rows)
    parts: list[Part] = []
    own = own_comparison()
    policy = default_policy(oracle.objective, ensemble.n_targets)
    decider = decider_of(policy, oracle.objective, ensemble.n_targets)
    done = 0
    for name, batches in (
        ("boundary", sampler.boundary()),
        ("extremes", sampler.extremes()),
        ("random", sampler.random_rows(random_rows)),
    ):
        comparisons = [(one, BitComparison(name, one.name, _note(one))) for one in outputs]
        for batch in batches:
            finite = ~np.isinf(batch).any(axis=1)
            rows = oracle.marked(batch if oracle.takes_infinities else batch[finite])
            if len(rows):
                truth = oracle.truth(rows)
                _compare(file, oracle, truth, comparisons, rows)
                if oracle.has_another_expf:
                    compare_own(own, decider, truth.served, truth.predictions, rows)
            done += len(batch)
            report(min(done, total), total)
        parts += [
            _part(comparison, ensemble, file, oracle)
            for _, comparison in comparisons
            if comparison.compared
        ]
    parts += [own.part()] if own.compared else []
    return Judged(oracle, parts)


def _outputs(file: _File, oracle: Oracle, rows: Rows) -> list[_Output]:
    """The comparisons to make: an output with its namesake, otherwise with the nearest values."""
    truth, found = oracle.truth(rows), file.run(rows)
    outputs = []
    for name, got in found.items():
        if name in (_MARGINS, _PREDICTIONS):
            outputs.append(_Output(name, name))
            continue
        gap = {
            kind: _distance(expected, got)
            for kind, expected in ((_PREDICTIONS, truth.predictions), (_MARGINS, truth.margins))
        }
        nearer = min(gap, key=lambda kind: gap[kind])
        if np.isfinite(gap[nearer]):
            outputs.append(_Output(name, nearer))
    if not outputs:
        shapes = {name: value.shape for name, value in found.items()}
        raise BackendError(
            f"Expected an output of margins or predictions, {truth.margins.shape[1]} a row, got "
            f"{shapes} - at the ONNX file."
        )
    return outputs


def _distance(expected: Floats, got: Floats) -> float:
    """The median distance; infinite if the shapes do not fit."""
    got = _fitted(expected, got)
    if expected.shape != got.shape:
        return float("inf")
    return float(np.median(np.abs(expected.astype(np.float64) - got)))


def _fitted(expected: Floats, got: Floats) -> Floats:
    """The positive class's column of the two columns of a binary classifier."""
    if expected.shape[1] == 1 and got.shape[1] == 2:
        return np.ascontiguousarray(got[:, 1:])
    return got


def _compare(
    file: _File,
    oracle: Oracle,
    truth: Truth,
    comparisons: list[tuple[_Output, BitComparison]],
    rows: Rows,
) -> None:
    found, objective, decider = file.run(rows), oracle.objective, BandDecider(APPROVAL)
    for output, comparison in comparisons:
        expected = output.expected(truth, objective)
        got = _fitted(expected, found[output.name])
        comparison.compare(output.compared_with, expected, got, rows)
        if oracle.has_one_log_odds:
            # The prediction of binary:logitraw is the margin.
            is_margin = output.compared_with == _MARGINS or objective.predicts_margins
            decided = decider.bands(got) if is_margin else decider.decide(got)
            comparison.decide(decider.decide(truth.served), decided, decider.statuses, rows)
        comparison.seen(len(rows))


def _note(output: _Output) -> str:
    asked = "predicted margin" if output.compared_with == _MARGINS else "prediction"
    return f"output '{output.name}' with the booster's {asked}"


def _part(comparison: BitComparison, ensemble: Ensemble, file: _File, oracle: Oracle) -> Part:
    part = comparison.part()
    if part.difference is None or comparison.row is None:
        return part
    tree = first_tree(ensemble, file.graph, oracle.read(comparison.row))
    return msgspec.structs.replace(
        part, difference=msgspec.structs.replace(part.difference, tree=tree)
    )
