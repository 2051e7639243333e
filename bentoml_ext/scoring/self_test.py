"""Self-test: a worker gives the stored answers, bit for bit, or it does not become ready.

It runs where the model is served, on that machine's libraries and processor, and needs numpy alone.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Final

import numpy as np

from bentoml_ext.arrays import Margins, Probabilities, Rows
from bentoml_ext.backends.base import Backend
from bentoml_ext.decisions.bands import Decider
from bentoml_ext.errors import SelfTestFailed
from bentoml_ext.objectives.logistic import probabilities, probability
from bentoml_ext.proof.bits import BitComparison, word_of
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
    rows, expected = proven.rows, proven.margins[:, 0]
    for member in backend.members:
        name = f"backend '{member.name}'"
        _compare("margin", expected, member.margins(rows), f"{name}, in a batch")
        _compare("margin", expected, one_by_one(member, rows), f"{name}, one by one")
    if proven.probabilities is not None:
        _test_answers(Decider(bundle.policy), expected, proven.probabilities)
    return SelfTest(len(rows), time.perf_counter() - start)


def one_by_one(backend: Backend, rows: Rows) -> Margins:
    """float32, (n,): margins on the backend's way for a single row."""
    row = np.empty((1, rows.shape[1]), np.float32)
    call = backend.single(row)
    margins = np.empty(len(rows), np.float32)
    for index, values in enumerate(rows):
        row[0] = values
        margins[index] = call()
    return margins


def _test_answers(decider: Decider, margins: Margins, chances: Probabilities) -> None:
    """The answers to margins, in a batch and one by one: probability, status and body."""
    singly = [probability(margin) for margin in margins.tolist()]
    _compare("probability", chances, probabilities(margins), "the sigmoid, in a batch")
    _compare("probability", chances, np.array(singly, np.float32), "the sigmoid, one by one")
    crossings = margins_at_crossings(decider.policy, CROSSING_STEPS)
    for place, some, expected in (
        ("proof row", margins, chances),
        ("crossing margin", crossings, probabilities(crossings)),
    ):
        tally = BitComparison("answers", "the decider")
        compare_decider(tally, decider, some, expected, singly=True)
        if (found := tally.difference) is not None:
            raise _failed(
                f"{found.what} {found.expected}, got {found.got} - at {place} {found.row}, "
                "the decider"
            )


def _compare(what: str, expected: Margins, got: Margins, where: str) -> None:
    differ = np.flatnonzero(expected.view(np.uint32) != got.view(np.uint32))
    if differ.size:
        at = int(differ[0])
        raise _failed(
            f"{what} {word_of(expected[at])}, got {word_of(got[at])} - at proof row {at}, {where}; "
            f"{differ.size} of {len(expected)} rows differ"
        )


def _failed(difference: str) -> SelfTestFailed:
    return SelfTestFailed(
        f"Expected {difference}. This server would give other answers than were proven: it does "
        "not become ready."
    )
