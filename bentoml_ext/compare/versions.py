"""Versions: champion and challenger on the same applications."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec
import numpy as np

from bentoml_ext.compare.applications import FileFacts, Progress
from bentoml_ext.compare.beside import Named
from bentoml_ext.compare.gate import GateResult
from bentoml_ext.compare.impact import Impact, impact
from bentoml_ext.compare.machine import Machine
from bentoml_ext.compare.movers import Mover
from bentoml_ext.compare.paired import Paired, paired
from bentoml_ext.compare.ranking import METHOD, Ranking, ranking
from bentoml_ext.compare.scored import Scoring, check_outcome
from bentoml_ext.compare.scores_file import write_scores
from bentoml_ext.compare.side import Side, amounts_said, limits
from bentoml_ext.compare.stability import FieldShift, Stability, field_shifts, of_values
from bentoml_ext.compare.swap_set import (
    SwapCell,
    Trade,
    same_approval_rate,
    same_bad_rate,
    swap_set,
)
from bentoml_ext.errors import UnreadableInput

__all__ = ["VersionsReport", "compare_versions"]

PAIRED: Final = (
    "The chance of a PSI is that of independent samples; scores of the same applications vary less."
)


class VersionsReport(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="versions"):
    """Two versions on the same applications.

    Args:
        verdict: what changes, in one sentence.
        champion, challenger: each by itself.
        rows: applications that both answer; all figures are of these.
        flips: of them whose answer changes its place among the answers.
        data: the file as the champion reads it.
        challenger_data: the same file as the challenger reads it.
        outcome: name of the column with the outcomes; empty where none was named.
        swap_set: counts and bad rates by both answers, at each policy's own cut-offs.
        trades: the challenger at the champion's approval rate, and at its bad rate.
        ranking: AUC, Gini and KS; None without enough outcomes.
        psi: of the probabilities.
        approved_shift: by field, those with the champion's best answer against the challenger's.
        movers: the applications that move most.
        amount: name of the column with the amounts; empty without such a column.
        impact: adverse-impact ratios; None where no column was named.
        notes: what the figures cannot say, in sentences.
        measured: where and when.
        gates: what became of the limits.
    """

    verdict: str
    champion: Side
    challenger: Side
    rows: int
    flips: int
    data: FileFacts
    challenger_data: FileFacts
    outcome: str
    swap_set: list[SwapCell]
    trades: list[Trade]
    ranking: Ranking | None
    psi: Stability | None
    approved_shift: list[FieldShift]
    movers: list[Mover]
    notes: list[str]
    measured: Machine
    amount: str = ""
    impact: Impact | None = None
    gates: list[GateResult] = []


def compare_versions(
    champion: Scoring,
    challenger: Scoring,
    on_progress: Progress | None = None,
    scores: Path | None = None,
) -> VersionsReport:
    """Compare two versions on a file.

    Args:
        champion, challenger: of the same file, with the same outcome.
        on_progress: see `Progress`.
        scores: file for the paired scores, Parquet.

    Raises:
        UnreadableInput: as `Applications.batches`; or no application that both answer.
        ConfigError: the outcome is a field, or has other values than 0 and 1.
    """
    check_outcome(champion.named.outcome, champion.subject, challenger.subject)
    measured = Machine.here()
    pair = paired(champion, challenger, on_progress)
    if not len(pair.champion.margins):
        raise UnreadableInput(
            f"Expected an application that both versions answer, got {champion.data.rows:,} "
            f"without one - at {champion.data.path}. {champion.data.first_refusal}".rstrip()
        )
    if scores is not None:
        write_scores(scores, pair, str(champion.subject.tag), str(challenger.subject.tag))
    return _report(champion, challenger, pair, measured)


def _report(
    champion: Scoring, challenger: Scoring, pair: Paired, measured: Machine
) -> VersionsReport:
    one, other, named = pair.champion, pair.challenger, champion.named
    facts = (
        Side.of(str(champion.subject.tag), one),
        Side.of(str(challenger.subject.tag), other),
    )
    found = ranking(one.known.margins, other.known.margins, one.known.is_bad)
    flips = int((one.bands != other.bands).sum())
    trades = [same_approval_rate(one, other), same_bad_rate(one, other)]
    traded = [trade for trade in trades if trade is not None]
    return VersionsReport(
        verdict=_verdict(facts, flips, len(one.margins), found, traded),
        champion=facts[0],
        challenger=facts[1],
        rows=len(one.margins),
        flips=flips,
        data=champion.data.facts(),
        challenger_data=challenger.data.facts(),
        outcome=named.outcome,
        swap_set=swap_set(one, other),
        trades=traded,
        ranking=found,
        psi=of_values(one.probabilities, other.probabilities),
        approved_shift=_approved_shift(champion, pair),
        movers=pair.movers,
        notes=_notes(pair, named, found, trades),
        measured=measured,
        amount=named.amount,
        impact=impact(
            named.impact,
            named.reference,
            *((side.beside, side.bands == 0) for side in (one, other)),
        ),
    )


def _notes(
    pair: Paired, named: Named, found: Ranking | None, trades: list[Trade | None]
) -> list[str]:
    notes = limits(pair.champion, named.outcome) + amounts_said(named, pair.champion)
    if trades[0] is None:
        notes.append("The champion approves nobody: there is no approval rate to hold.")
    elif trades[1] is None and pair.champion.is_known.any():
        notes.append("At no cut-off is the challenger's bad rate as low as the champion's.")
    return [*notes, *([METHOD] if found else []), PAIRED]


def _approved_shift(champion: Scoring, pair: Paired) -> list[FieldShift]:
    """By field, those whom the champion approves against those whom the challenger approves."""
    sample = champion.sample
    # Places of the file, to places among those that both answer.
    place = np.cumsum(pair.answered) - 1
    answered = pair.answered[sample.places]
    rows, at = sample.rows[answered], place[sample.places[answered]]
    before, after = (one.bands[at] == 0 for one in (pair.champion, pair.challenger))
    return field_shifts(champion.subject.bundle.encoder, rows[before], rows[after])


def _verdict(
    facts: tuple[Side, Side],
    flips: int,
    rows: int,
    found: Ranking | None,
    trades: list[Trade],
) -> str:
    share = f"{flips:,} of {rows:,} decisions change ({flips / rows:.1%}), {rows - flips:,} do not"
    rate = f"approval goes from {facts[0].approval_rate:.1%} to {facts[1].approval_rate:.1%}"
    parts = [share, rate]
    if found is not None:
        gap = found.gini.difference
        clear = gap.low > 0 or gap.high < 0
        side = ("better" if gap.value > 0 else "worse") if clear else "neither better nor worse"
        parts.append(
            f"the challenger ranks {side}{'' if clear else ' beyond chance'}: Gini "
            f"{gap.value:+.3f} ({gap.low:+.3f} to {gap.high:+.3f})"
        )
    for trade in trades:
        before, after = trade.champion_group.bad_rate, trade.challenger_group.bad_rate
        if trade.same == "approval rate" and before is not None and after is not None:
            parts.append(
                f"at the same approval rate the bad rate is {after.value:.1%} after "
                f"{before.value:.1%}"
            )
    text = "; ".join(parts)
    return f"{text[:1].upper()}{text[1:]}."
