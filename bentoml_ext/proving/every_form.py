"""Every form: each form of a model gives the booster's own bits, or the proof names where not."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec
import numpy as np

from bentoml_ext.arrays import Rows
from bentoml_ext.boosters.base import Family, Oracle, Truth
from bentoml_ext.boosters.ensemble import Ensemble
from bentoml_ext.boosters.xgb.family import XGBOOST
from bentoml_ext.decisions.bands import BandDecider
from bentoml_ext.decisions.deciding import decider_of, default_policy
from bentoml_ext.decisions.policy import Policy
from bentoml_ext.encoders.encoder import Application, Encoder
from bentoml_ext.proof.bits import BitComparison
from bentoml_ext.proof.record import SERVICE, Difference, Part, Proof
from bentoml_ext.proof.reference_decisions import (
    answered,
    compare_columns,
    compare_decider,
    margins_at_crossings,
)
from bentoml_ext.proof.sigmoid import compare_checksums, compare_own, own_comparison
from bentoml_ext.proof.stored_rows import ProofRows
from bentoml_ext.proving.applications import generated, through_reader
from bentoml_ext.proving.arrow_rows import compare_arrow
from bentoml_ext.proving.candidates import Candidate, opened
from bentoml_ext.proving.coverage import proof_rows
from bentoml_ext.proving.first_divergence import first_tree
from bentoml_ext.proving.line_rows import compare_lines
from bentoml_ext.proving.proven import Proven
from bentoml_ext.proving.row_sampler import Sampler, block_rows
from bentoml_ext.proving.structure import compare_structure
from bentoml_ext.scoring.scorer import Scorer
from bentoml_ext.scoring.self_test import one_by_one

__all__ = ["RANDOM_ROWS", "ProofProgress", "prove"]

RANDOM_ROWS: Final = 100_000
MADE_UP: Final = 1_000
"""Applications that a proof makes up besides those that it is given."""
CROSSING_STEPS: Final = 64
"""Margins to either side of each crossing."""

ProofProgress = Callable[[int, int], None]
"""Called with the rows that are done and all that there will be."""

NOTES: Final = {
    "boundary": "every split: on it, a float32 below, one above, missing",
    "extremes": "each column and all: missing, infinities, zeros, denormals, largest",
    "random": "over the training ranges, batches of many sizes",
    "single": "the stored rows, one by one",
    "applications": "Encoder, batch, probability, decision",
    "requests": "JSON, JsonDecoder, one row, probability, decision, body",
    "answers": "the decider on all of these margins: numbers, decisions, bodies, body of a batch",
    "crossings": "the decider, one by one too, on margins around each crossing",
}


def prove(
    booster: Any,
    files: Mapping[str, bytes],
    *,
    encoder: Encoder,
    policy: Policy | None = None,
    applications: Sequence[Application] = (),
    random_rows: int = RANDOM_ROWS,
    seed: int = 0,
    on_progress: ProofProgress | None = None,
    family: Family = XGBOOST,
) -> Proven:
    """Compare every form of a model with its booster, tree by tree and bit by bit.

    Args:
        booster: the truth.
        files: of the bundle, by name; a registered backend is judged if its file is among them.
        encoder: application to row.
        policy: what is answered; by default that of a model that comes without one.
        applications: real ones, besides those that are made up. None of them is stored.
        random_rows: how many; above 100 columns there are fewer.
        seed: of the random rows.
        on_progress: called now and then.
        family: that the booster is of.

    Returns:
        The proof and the stored rows. `proof.holds` is the verdict.

    Raises:
        ExportRefused: the booster cannot be read.
        InvalidApplication: an application that the encoder refuses.
        BackendError: a backend's library refuses its file or the rows.
    """
    start = time.perf_counter()
    ensemble = family.read(booster)
    sampler = Sampler(ensemble, seed)
    encoder.check_all(applications)
    invented = generated(encoder, sampler, MADE_UP)
    with family.oracle(booster, ensemble) as oracle, opened(files, oracle) as subjects:
        run = _Run(oracle, subjects, ensemble, policy, on_progress)
        run.expect(sampler.count(random_rows) + MADE_UP + len(applications))
        run.structure()
        run.numbers("boundary", sampler.boundary())
        run.numbers("extremes", sampler.extremes())
        run.numbers("random", sampler.random_rows(random_rows))
        stored = proof_rows(oracle, sampler, ensemble, encoder.rows(invented))
        run.single(stored)
        run.applications(encoder, [*applications, *invented])
        run.service()
    proof = Proof.of(
        start,
        files,
        objective=ensemble.objective,
        oracle=oracle.name,
        parts=run.parts,
        seed=seed,
        stored_rows=len(stored.rows),
    )
    return Proven(proof, stored)


class _Run:
    """The parts of one proof as they are made."""

    def __init__(
        self,
        oracle: Oracle,
        subjects: list[Candidate],
        ensemble: Ensemble,
        policy: Policy | None,
        on_progress: ProofProgress | None,
    ) -> None:
        self.parts: list[Part] = []
        self.oracle, self.subjects, self.ensemble = oracle, subjects, ensemble
        n_margins = ensemble.n_targets
        policy = policy or default_policy(oracle.objective, n_margins)
        self.decider = decider_of(policy, oracle.objective, n_margins)
        self._answers = BitComparison("answers", SERVICE, NOTES["answers"])
        self._own = own_comparison()
        self._report = on_progress or (lambda _done, _total: None)
        self._done = self._total = 0

    def expect(self, rows: int) -> None:
        """Say how many rows there will be."""
        self._total = rows
        self._report(0, rows)

    def structure(self) -> None:
        """Part (a): every node of each graph."""
        for subject in self.subjects:
            if subject.graph is not None:
                self.parts.append(compare_structure(self.ensemble, subject.graph, subject.name))

    def numbers(self, name: str, batches: Iterable[Rows]) -> None:
        """Parts (b) and (c): margins, probabilities and decisions of rows."""
        comparisons = [
            (subject, BitComparison(name, subject.name, NOTES[name])) for subject in self.subjects
        ]
        for batch in batches:
            for rows in self._by_infinity(batch):
                truth = self.oracle.truth(rows)
                self._judge_answers(truth, rows)
                for subject, comparison in comparisons:
                    if subject.takes_infinities or not np.isinf(rows).any():
                        margins = subject.margins(rows)
                        comparison.compare("margin", truth.margins, margins, rows)
                        compare_columns(comparison, self.decider, margins, truth.served, rows)
                        comparison.seen(len(rows))
            self._advance(len(batch))
        self._close(comparisons)

    def _judge_answers(self, truth: Truth, rows: Rows) -> None:
        """The service's predictions and answers; XGBoost's own too, if it has another expf."""
        if not self.decider.schema.numbers:
            # No answer shows the numbers, which decide all the same.
            margins, predictions, of = answered(self.decider, truth.margins, truth.served, rows)
            predicted = self.oracle.objective.served(margins)
            self._answers.compare("prediction", predictions, predicted, of)
        compare_decider(self._answers, self.decider, truth.margins, truth.served, rows)
        self._answers.seen(len(rows))
        if self.oracle.has_another_expf:
            compare_own(self._own, self.decider, truth.served, truth.predictions, rows)

    def service(self) -> None:
        """Parts of the service alone: what it makes of margins, whichever model they are of."""
        comparisons = [self._answers, *self._of_log_odds(), self._own]
        for comparison in comparisons:
            if (part := comparison.part()).checked:
                self.parts.append(part)

    def _of_log_odds(self) -> Iterator[BitComparison]:
        if isinstance(self.decider, BandDecider):
            margins = margins_at_crossings(self.decider.policy, CROSSING_STEPS)
            expected = self.oracle.probabilities(margins)
            crossings = BitComparison("crossings", SERVICE, NOTES["crossings"])
            compare_decider(crossings, self.decider, margins, expected, singly=True)
            crossings.seen(len(margins))
            yield crossings
            yield compare_checksums()

    def _by_infinity(self, rows: Rows) -> list[Rows]:
        """Rows without and with infinities, which some ways of the booster refuse."""
        infinite = np.isinf(rows).any(axis=1)
        if not infinite.any():
            return [rows] if len(rows) else []
        parts = [rows[~infinite]]
        if self.oracle.takes_infinities:
            parts.append(rows[infinite])
        return [part for part in parts if len(part)]

    def single(self, stored: ProofRows) -> None:
        """The rows that are stored, on each backend's way for one row."""
        comparisons = []
        for subject in self.subjects:
            if (backend := subject.backend) is None:
                continue
            comparison = BitComparison("single", subject.name, NOTES["single"])
            margins = one_by_one(backend, stored.rows)
            comparison.compare("margin", stored.margins, margins, stored.rows)
            comparison.seen(len(stored.rows))
            comparisons.append((subject, comparison))
        self._close(comparisons)

    def applications(self, encoder: Encoder, applications: Sequence[Application]) -> None:
        """Part (d): from application to decision, on each way that there is."""
        rows = encoder.rows(applications)
        self.numbers("applications", _chunks(rows))
        columns = compare_arrow(encoder, applications, rows).part()
        self.parts += [columns] if columns.checked else []
        lines = compare_lines(encoder, applications, rows).part()
        self.parts += [lines] if lines.checked else []
        truth = self.oracle.truth(rows)
        comparisons = []
        for subject in self.subjects:
            if subject.backend is not None:
                comparison = BitComparison("requests", subject.name, NOTES["requests"])
                scorer = Scorer(encoder, subject.backend, self.decider)
                through_reader(comparison, scorer, applications, rows, truth)
                comparisons.append((subject, comparison))
        self._close(comparisons)

    def _close(self, comparisons: Iterable[tuple[Candidate, BitComparison]]) -> None:
        for subject, comparison in comparisons:
            part = comparison.part()
            if part.checked:
                blamed = self._blamed(part.difference, subject, comparison.row)
                self.parts.append(msgspec.structs.replace(part, difference=blamed))

    def _blamed(
        self, difference: Difference | None, subject: Candidate, row: Rows | None
    ) -> Difference | None:
        """The difference with the first tree that takes part in it."""
        if difference is None or row is None or subject.graph is None:
            return difference
        tree = first_tree(self.ensemble, subject.graph, row)
        return msgspec.structs.replace(difference, tree=tree)

    def _advance(self, rows: int) -> None:
        self._done += rows
        self._report(min(self._done, self._total), self._total)


def _chunks(rows: Rows) -> Iterable[Rows]:
    block = block_rows(rows.shape[1])
    return (rows[start : start + block] for start in range(0, len(rows), block))
