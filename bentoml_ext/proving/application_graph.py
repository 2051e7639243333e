"""Application graph: a whole-application graph against the encoder and the booster."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import onnx
import xgboost as xgb
from onnx import TensorProto, helper

from bentoml_ext.backends.onnx_session import run, session
from bentoml_ext.boosters.ensemble import Ensemble
from bentoml_ext.boosters.xgb.confirm import read
from bentoml_ext.boosters.xgb.oracle import Oracle
from bentoml_ext.decisions.base import Decider
from bentoml_ext.decisions.deciding import decider_of
from bentoml_ext.decisions.policy import Policy
from bentoml_ext.encoders.arithmetic import undone
from bentoml_ext.encoders.edges import beside_edges
from bentoml_ext.encoders.encoder import Application, Encoder
from bentoml_ext.encoders.steps import Number
from bentoml_ext.errors import BackendError, InvalidApplication, ProofFailed
from bentoml_ext.export.graph.application import outputs_of, refused_of
from bentoml_ext.export.graph.encoder_rows import type_of
from bentoml_ext.proof.bits import BitComparison
from bentoml_ext.proof.record import Part
from bentoml_ext.proving.applications import generated
from bentoml_ext.proving.row_sampler import Sampler
from bentoml_ext.proving.structure import compare_structure

__all__ = ["ApplicationProof", "feed", "judge_application_graph", "prove_application_graph"]

THREADS: Final = (1, 2)
BATCHES: Final = (1, 7, 64)
MADE_UP: Final = 1_000
NOTE: Final = "made-up applications, on every threshold and refused ones, in several batches"


@dataclass(frozen=True)
class ApplicationProof:
    """Size of a comparison that found every bit equal.

    Args:
        applications: valid ones and others.
        refused: those among them that the service refuses.
        nodes: of trees.
        threads: intra-op threads that it was run with.
    """

    applications: int
    refused: int
    nodes: int
    threads: tuple[int, ...] = THREADS


def prove_application_graph(
    model: onnx.ModelProto,
    booster: xgb.Booster,
    encoder: Encoder,
    policy: Policy,
    *,
    applications: Sequence[Application] = (),
    seed: int = 0,
) -> ApplicationProof:
    """Compare margins and answers with the encoder's, the booster's and the policy's.

    On applications with a number on each threshold and to either side of it, on made-up ones, and
    on ones that the service refuses. With one thread and with two, in several sizes of batches.

    Raises:
        ProofFailed: a tree, a bit or a decision differs; names the first.
    """
    asked = _Asked.of(booster, encoder, policy, applications, seed)
    for part in _judged(model, asked):
        if not part.holds:
            raise ProofFailed(f"{part.difference} Nothing was written.")
    refused = int(np.isnan(asked.expected["margin"]).any(axis=1).sum())
    nodes = compare_structure(asked.ensemble, model).checked
    return ApplicationProof(len(asked.applications), refused, nodes)


def judge_application_graph(
    model: onnx.ModelProto, booster: xgb.Booster, encoder: Encoder, policy: Policy, *, seed: int = 0
) -> list[Part]:
    """The comparisons of `prove_application_graph`, for any file that takes fields.

    Raises:
        BackendError: the file does not take these fields, or has no such outputs.
    """
    asked = _Asked.of(booster, encoder, policy, (), seed)
    try:
        return list(_judged(model, asked))
    except Exception as error:
        reason = str(error).strip().splitlines()[0]
        raise BackendError(
            f"Expected a file that takes the model's fields, got {reason} - at ONNX Runtime."
        ) from error


@dataclass(frozen=True, eq=False)
class _Asked:
    """Applications, and what the service says of them by the name of the output."""

    applications: list[Application]
    expected: dict[str, npt.NDArray[Any]]
    encoder: Encoder
    ensemble: Ensemble

    @classmethod
    def of(
        cls,
        booster: xgb.Booster,
        encoder: Encoder,
        policy: Policy,
        given: Sequence[Application],
        seed: int,
    ) -> _Asked:
        _, ensemble = read(booster)
        sampler = Sampler(ensemble, seed)
        tried = [*given, *generated(encoder, sampler, MADE_UP)]
        tried += _on_thresholds(encoder, sampler, tried[-MADE_UP:])
        tried += _refused(encoder, tried[-1])
        oracle = Oracle(booster, ensemble)
        decider = decider_of(policy, oracle.objective, ensemble.n_targets)
        expected = _expected(oracle, encoder, decider, tried)
        return cls(tried, expected, encoder, ensemble)


def _judged(model: onnx.ModelProto, asked: _Asked) -> Iterator[Part]:
    """The structure, then every output on each number of threads."""
    yield compare_structure(asked.ensemble, model, "the file")
    tried = asked.applications
    for threads in THREADS:
        running = session(model, threads)
        on = f"{threads} thread{'s' * (threads > 1)}"
        comparisons = {
            name: BitComparison("applications", f"{name}, {on}", NOTE) for name in asked.expected
        }
        for size in (*BATCHES, len(tried)):
            # Few of the small batches: what they change shows in the first rows.
            for start in range(0, min(len(tried), 40 * size), size):
                some = slice(start, start + size)
                got = run(running, list(comparisons), feed(asked.encoder, tried[some]))
                for (name, comparison), found in zip(comparisons.items(), got, strict=True):
                    comparison.rows = start
                    _compare(comparison, name, asked.expected[name][some], found)
        for comparison in comparisons.values():
            comparison.rows = len(tried)
            yield comparison.part()


def feed(encoder: Encoder, applications: Sequence[Application]) -> dict[str, npt.NDArray[Any]]:
    """The graph's inputs: strings and floats, (n, 1); null as "" and NaN."""
    inputs: dict[str, npt.NDArray[Any]] = {}
    for field in encoder.fields:
        values = [application[field.name] for application in applications]
        if field.categories:
            texts = [["" if value is None else value] for value in values]
            inputs[field.name] = np.array(texts, object)
        else:
            numbers = [[np.nan if value is None else value] for value in values]
            # A number too large for a float32 becomes infinite, and is refused.
            with np.errstate(over="ignore"):
                kind = helper.tensor_dtype_to_np_dtype(type_of(encoder, field))
                inputs[field.name] = np.array(numbers, np.float64).astype(kind)
    return inputs


def _on_thresholds(
    encoder: Encoder, sampler: Sampler, others: Sequence[Application]
) -> list[Application]:
    """Applications with one number on a threshold, a float32 beside it, and a float64 beside it."""
    made: list[Application] = []
    for field in encoder.fields:
        for value in beside_edges(encoder, field).tolist():
            made.append({**others[len(made) % len(others)], field.name: value})
        if not isinstance(step := encoder.step(field.name), Number):
            continue
        known = sampler.known[step.column]
        beside = [np.nextafter(known, np.float32(end)) for end in (-np.inf, np.inf)]
        exact = undone(step, np.concatenate([known, *beside]))
        halves = (exact[: len(known)] + exact[len(known) : 2 * len(known)]) / 2
        for value in np.concatenate([exact, halves, np.nextafter(halves, np.inf)]).tolist():
            made.append({**others[len(made) % len(others)], field.name: value})
    return made


def _refused(encoder: Encoder, valid: Application) -> list[Application]:
    """Applications with one value each that most rules refuse."""
    made: list[Application] = []
    for field in encoder.fields:
        odd: list[Any] = ["no such category", None] if field.categories else [None, np.inf]
        if not field.categories:
            odd += [1e39, -1e39, -1.0, *field.sentinels]
        made += [{**valid, field.name: value} for value in odd]
    return made


def _expected(
    oracle: Oracle, encoder: Encoder, decider: Decider, applications: Sequence[Application]
) -> dict[str, npt.NDArray[Any]]:
    """The outputs, (n, width), as the service would give them."""
    taken = np.array([_is_taken(encoder, one) for one in applications], np.bool_)
    rows = encoder.rows([one for one, is_ok in zip(applications, taken, strict=True) if is_ok])
    truth = oracle.truth(rows)
    answered = ~decider.lost(truth.margins)
    taken[taken] = answered
    margins, served = truth.margins[answered], truth.served[answered]
    expected: dict[str, npt.NDArray[Any]] = {}
    for name, (kind, width) in outputs_of(decider).items():
        text = None if kind == TensorProto.FLOAT else decider.schema.text
        whole = np.full((len(taken), width), np.nan if text is None else refused_of(text), object)
        if text is not None:
            values = np.array(text.values, object)
            whole[taken] = values[decider.decide(served)][:, None]
        else:
            whole = whole.astype(np.float32)
            whole[taken] = margins if name == "margin" else served
        expected[name] = whole
    return expected


def _is_taken(encoder: Encoder, application: Application) -> bool:
    try:
        encoder.check(application)
    except InvalidApplication:
        return False
    return True


def _compare(
    comparison: BitComparison, output: str, expected: npt.NDArray[Any], got: npt.NDArray[Any]
) -> None:
    if expected.dtype == np.float32:
        # Any NaN is a refusal.
        one_nan = [np.where(np.isnan(one), np.float32(np.nan), one) for one in (expected, got)]
        comparison.compare(output, *one_nan)
        return
    comparison.texts(output, expected[:, 0].tolist(), got[:, 0].tolist())
    comparison.flips = comparison.compared - comparison.equal
