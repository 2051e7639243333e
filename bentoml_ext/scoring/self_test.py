"""Self-test: a worker gives the stored answers, bit for bit, or it does not become ready.

It runs where the model is served, on that machine's libraries and processor, and needs numpy alone.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Final

import numpy as np

from bentoml_ext.arrays import Floats, Margins, Predictions, Rows
from bentoml_ext.backends.base import Backend
from bentoml_ext.decisions.bands import BandDecider
from bentoml_ext.decisions.base import Decider
from bentoml_ext.errors import SelfTestFailed
from bentoml_ext.objectives.logistic import probabilities, probability
from bentoml_ext.proof.bits import BitComparison
from bentoml_ext.proof.record import PROOF, Proof
from bentoml_ext.proof.reference_decisions import compare_decider, margins_at_crossings
from bentoml_ext.proof.stored_rows import PROOF_ROWS, ProofRows
from bentoml_ext.store.bundle import Bundle

CROSSING_STEPS: Final = 8
"""Margins to either side of each crossing."""

__all__ = ["SelfTest", "load_proof", "load_rows", "one_by_one", "self_test"]


@dataclass(frozen=True)
class SelfTest:
    """A self-test that was passed.

    Args:
        rows: that were scored, in a batch and one by one.
        seconds: how long it took.
    """

    rows: int
    seconds: float


def load_proof(bundle: Bundle) -> tuple[Proof, str]:
    """The proof that a bundle carries, and its checksum in hex."""
    return bundle.proof, bundle.manifest.files[PROOF].sha256


def load_rows(bundle: Bundle) -> ProofRows:
    """The rows of its proof, with the booster's answers.

    Raises:
        BundleError: it carries none, or they have changed.
    """
    return ProofRows.from_npy(bundle.file(PROOF_ROWS))


def self_test(bundle: Bundle, backend: Backend) -> SelfTest:
    """Score the stored proof rows on both of the backend's ways, and turn margins to probabilities.

    Args:
        bundle: whose proof it is.
        backend: ready to serve; every member of a composite is tested.

    Raises:
        SelfTestFailed: another bit; names what was expected, what came, and the row.
        BundleError: the bundle carries no proof.
    """
    start = time.perf_counter()
    proven = load_rows(bundle)
    rows, expected = proven.rows, proven.margins
    for member in backend.members:
        name = f"backend '{member.name}'"
        _compare("margin", expected, member.margins(rows), f"{name}, in a batch")
        _compare("margin", expected, one_by_one(member, rows), f"{name}, one by one")
    if proven.predictions is not None:
        if isinstance(bundle.decider, BandDecider):
            _test_sigmoid(expected, proven.predictions)
        _test_answers(bundle.decider, expected, proven.predictions)
    return SelfTest(len(rows), time.perf_counter() - start)


def one_by_one(backend: Backend, rows: Rows) -> Margins:
    """float32, (n, n_margins): margins on the backend's way for a single row.

    Args:
        backend: ready to score.
        rows: float32, (n, n_features), n > 0.
    """
    row = np.array(rows[:1])
    margin = backend.margins(row)
    call = backend.single(row, margin)
    margins = np.empty((len(rows), margin.shape[1]), np.float32)
    for index, values in enumerate(rows):
        row[0] = values
        call()
        margins[index] = margin
    return margins


def _test_sigmoid(margins: Margins, expected: Predictions) -> None:
    """Probabilities, in a batch and one by one."""
    singly = np.array([[probability(margin)] for margin in margins[:, 0].tolist()], np.float32)
    _compare("probability", expected, probabilities(margins), "the sigmoid, in a batch")
    _compare("probability", expected, singly, "the sigmoid, one by one")


def _test_answers(decider: Decider, margins: Margins, expected: Predictions) -> None:
    """The answers to margins, in a batch and one by one: numbers, decision and body."""
    asked = [("proof row", margins, expected)]
    if isinstance(decider, BandDecider):
        crossings = margins_at_crossings(decider.policy, CROSSING_STEPS)
        asked.append(("crossing margin", crossings, probabilities(crossings)))
    for place, some, predictions in asked:
        comparison = BitComparison("answers", "the decider")
        compare_decider(comparison, decider, some, predictions, singly=True)
        if (found := comparison.difference) is not None:
            raise _failed(
                f"{found.what} {found.expected}, got {found.got} - at {place} {found.row}, "
                "the decider"
            )


def _compare(what: str, expected: Floats, got: Floats, where: str) -> None:
    comparison = BitComparison("self-test", where)
    comparison.compare(what, expected, got)
    if (found := comparison.difference) is not None:
        raise _failed(
            f"{what} {found.expected}, got {found.got} - at proof row {found.row}, {where}; "
            f"{comparison.compared - comparison.equal} of {comparison.compared} differ"
        )


def _failed(difference: str) -> SelfTestFailed:
    return SelfTestFailed(
        f"Expected {difference}. This server would give other answers than were proven: it does "
        "not become ready."
    )
