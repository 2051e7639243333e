"""Drift: one version on two files, by the measures of two versions."""

from __future__ import annotations

import msgspec

from bentoml_ext.compare.applications import FileFacts, Progress
from bentoml_ext.compare.gate import GateResult
from bentoml_ext.compare.impact import Impact, impact
from bentoml_ext.compare.machine import Machine
from bentoml_ext.compare.ranking import SEPARATE, Ranking, separate
from bentoml_ext.compare.scored import Scored, Scoring, check_outcome
from bentoml_ext.compare.side import Side, limits
from bentoml_ext.compare.stability import FieldShift, Stability, field_shifts, of_values
from bentoml_ext.errors import UnreadableInput

__all__ = ["DriftReport", "compare_files"]


class DriftReport(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="kind", tag="drift"
):
    """One version on two files.

    Args:
        verdict: what has moved, in one sentence.
        model: tag of the version.
        first, second: the version on each file.
        data, second_data: the files.
        outcome: name of the column with the outcomes; empty where none is named.
        ranking: AUC, Gini and KS on each file; None without enough outcomes.
        psi: of the probabilities, in tenths of the first file's.
        field_shift: CSI by field, the greatest first.
        notes: what the figures cannot say, in sentences.
        impact: adverse-impact ratios; None where no column was named.
        measured: where and when.
        gates: what became of the limits.
    """

    verdict: str
    model: str
    first: Side
    second: Side
    data: FileFacts
    second_data: FileFacts
    outcome: str
    ranking: Ranking | None
    psi: Stability | None
    field_shift: list[FieldShift]
    notes: list[str]
    measured: Machine
    impact: Impact | None = None
    gates: list[GateResult] = []


def compare_files(
    first: Scoring, second: Scoring, on_progress: Progress | None = None
) -> DriftReport:
    """Compare two files under one version.

    Raises:
        UnreadableInput: as `Applications.batches`; or a file without an answer.
        ConfigError: the outcome is a field, or has other values than 0 and 1.
    """
    check_outcome(first.named.outcome, first.subject)
    measured = Machine.here()
    one, other = (_scored(scoring, on_progress) for scoring in (first, second))
    names = _names(first, second)
    sides = Side.of(names[0], one), Side.of(names[1], other)
    knowns = [(part.known.margins, part.known.is_bad) for part in (one, other)]
    found = separate(*knowns[0], *knowns[1])
    psi = of_values(one.probabilities, other.probabilities)
    shift = field_shifts(first.subject.bundle.encoder, first.sample.rows, second.sample.rows)
    return DriftReport(
        verdict=_verdict(sides, psi, shift),
        model=str(first.subject.tag),
        first=sides[0],
        second=sides[1],
        data=first.data.facts(),
        second_data=second.data.facts(),
        outcome=first.named.outcome,
        ranking=found,
        psi=psi,
        field_shift=shift,
        notes=_notes(one, other, names, first.named.outcome, found),
        measured=measured,
        impact=impact(
            first.named.impact,
            first.named.reference,
            *((side.beside, side.bands == 0) for side in (one, other)),
        ),
    )


def _names(first: Scoring, second: Scoring) -> tuple[str, str]:
    """The files' names, with their folders where the names are the same."""
    one, other = first.data.path, second.data.path
    return (one.name, other.name) if one.name != other.name else (str(one), str(other))


def _scored(scoring: Scoring, on_progress: Progress | None) -> Scored:
    for _ in scoring.blocks(on_progress):
        pass
    scored = scoring.whole().answered()
    if not len(scored.margins):
        raise UnreadableInput(
            f"Expected an application that the model answers, got {scoring.data.rows:,} without "
            f"one - at {scoring.data.path}. {scoring.data.first_refusal}".rstrip()
        )
    return scored


def _notes(
    one: Scored, other: Scored, names: tuple[str, str], outcome: str, found: Ranking | None
) -> list[str]:
    if not outcome:
        return limits(one, outcome)
    notes = [
        f"{name}: {note}"
        for name, scored in zip(names, (one, other), strict=True)
        for note in limits(scored, outcome)
    ]
    return [*notes, *([SEPARATE] if found else [])]


def _verdict(sides: tuple[Side, Side], psi: Stability | None, shift: list[FieldShift]) -> str:
    rates = f"Approval goes from {sides[0].approval_rate:.1%} to {sides[1].approval_rate:.1%}"
    if psi is None:
        return f"{rates}; one score is equal throughout, so that nothing says how far it moved."
    moved = "more" if psi.is_clear else "no more"
    text = f"{rates}; the score moves {moved} than chance: PSI {psi.psi:.4f}, by chance "
    text += f"{psi.critical:.4f}"
    clear = [one for one in shift if one.csi.is_clear]
    if clear:
        fields = ", ".join(f"{one.field} ({one.csi.psi:.3f})" for one in clear[:3])
        return f"{text}; {len(clear)} of {len(shift)} fields do, first {fields}."
    return f"{text}; no field does."
