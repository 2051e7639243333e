"""Version parts: two versions in sentences and tables, in the order in which a validator reads."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

from bentoml_ext.compare.grid import Grid, Part, grid, left_out

if TYPE_CHECKING:
    from bentoml_ext.compare.calibration import BandCalibration
    from bentoml_ext.compare.impact import Impact
    from bentoml_ext.compare.interval import Interval
    from bentoml_ext.compare.ranking import PairedMeasure, Ranking
    from bentoml_ext.compare.side import Side
    from bentoml_ext.compare.stability import FieldShift, Stability
    from bentoml_ext.compare.swap_set import Group, Trade
    from bentoml_ext.compare.versions import VersionsReport

__all__ = ["SIDES", "calibrated", "impacts", "of_versions", "ranked", "shifts", "stability"]

SHOWN: Final = 5
SIDES: Final = ("champion", "challenger")


def of_versions(report: VersionsReport) -> list[Part]:
    """The verdict, then what a validator reads, in that order."""
    parts: list[Part] = [report.verdict, _swap_set(report)]
    if report.amount:
        parts += [_amounts(report)]
    parts += map(_trade, report.trades)
    if report.ranking is not None:
        parts += [ranked(report.ranking, *SIDES)]
    if report.outcome:
        parts += [calibrated(SIDES, report.champion, report.challenger)]
    parts += [stability("Score", report.psi)]
    if report.approved_shift:
        parts += [shifts("Approved by field", report.approved_shift)]
    if report.impact is not None:
        parts += impacts(report.impact, *SIDES)
    parts += [_movers(report), *report.notes]
    parts += left_out(report.data, report.champion.name)
    parts += left_out(report.challenger_data, report.challenger.name)
    return [*parts, f"Measured {report.measured.made}: {report.measured}."]


def _swap_set(report: VersionsReport) -> Grid:
    """Rows are the champion's answers, columns the challenger's."""
    before, after = report.champion.answers, report.challenger.answers
    made = grid("champion \\ challenger", *after)
    cells = iter(report.swap_set)
    for answer in before:
        made.add_row(answer, *(_group(next(cells).group) for _ in after))
    return made


def _amounts(report: VersionsReport) -> Grid:
    """The amounts of the swap set, with the share of the bads where it is known."""
    made = grid(f"Sum of {report.amount}", *report.challenger.answers)
    cells = iter(report.swap_set)
    for answer in report.champion.answers:
        made.add_row(answer, *(_amount(next(cells).group) for _ in report.challenger.answers))
    return made


def _amount(group: Group) -> str:
    if group.bad_amount is None or not group.amount:
        return f"{group.amount:,.0f}"
    return f"{group.amount:,.0f} ({group.bad_amount / group.amount:.1%} bad)"


def _trade(trade: Trade) -> Grid:
    has_amounts = trade.both.amount is not None
    names = ("Applications", "Bad rate", *(["Amount"] if has_amounts else []))
    made = grid(f"At the same {trade.same}", *names)
    for name, group in (
        ("champion approves", trade.champion_group),
        (f"challenger up to {trade.cutoff:.4f}", trade.challenger_group),
        ("swapped in", trade.swapped_in),
        ("swapped out", trade.swapped_out),
    ):
        amount = [_amount(group)] if has_amounts else []
        made.add_row(name, f"{group.count:,}", _share(group.bad_rate), *amount)
    return made


def ranked(found: Ranking, *names: str) -> Grid:
    """Gini, KS and AUC of both sides, and their difference."""
    made = grid("Ranking", *names, "Difference")
    for name, one in (("Gini", found.gini), ("KS", found.ks), ("AUC", found.auc)):
        made.add_row(name, *_measure(one))
    return made


def _measure(one: PairedMeasure) -> Iterator[str]:
    for part, form in ((one.champion, ".3f"), (one.challenger, ".3f"), (one.difference, "+.3f")):
        yield f"{part.value:{form}} ({part.low:{form}} to {part.high:{form}})"


def calibrated(names: Sequence[str], *sides: Side) -> Grid:
    """By side and band, the mean probability and the bad rate."""
    made = grid("Calibration", "Known", "Expected", "Observed", "Within")
    for name, side in zip(names, sides, strict=True):
        for row in _calibration_rows(name, side.calibration):
            made.add_row(*row)
    return made


def _calibration_rows(name: str, bands: list[BandCalibration]) -> Iterator[list[str]]:
    """A row for each band, which names what lies outside its interval."""
    for band in bands:
        expected = "-" if band.expected is None else f"{band.expected:.1%}"
        off = "-" if band.observed is None else "yes" if band.holds else "outside"
        yield [
            f"{name} {band.answer}",
            f"{band.known:,}",
            expected,
            _share(band.observed),
            off,
        ]


def stability(name: str, found: Stability | None) -> Part:
    """The stability of a score in a sentence."""
    if found is None:
        return f"{name}: no PSI, because one side is empty or all is equal."
    side = "above" if found.is_clear else "within"
    return (
        f"{name}: PSI {found.psi:.4f}, {side} the {found.critical:.4f} that chance gives with "
        f"n = {found.n:,}, m = {found.m:,} and {found.bins} bins. Rule of thumb: {found.rule}."
    )


def shifts(title: str, found: list[FieldShift]) -> Grid:
    """The fields that shift most."""
    made = grid(title, "CSI", "by chance", "bins")
    for one in found[:SHOWN]:
        csi = one.csi
        made.add_row(one.field, f"{csi.psi:.4f}", f"{csi.critical:.4f}", str(csi.bins))
    return made


def impacts(found: Impact, *names: str) -> list[Part]:
    """The rate of each group and its ratio to that of the reference, as figures."""
    heads = [f"{name} {what}" for name in names for what in ("rate", "ratio")]
    made = grid(f"Approved by {found.column}", "Applications", *heads)
    for one in found.groups:
        sides = one.first, one.second
        counts = list(dict.fromkeys(f"{side.count:,}" for side in sides))
        cells = [cell for side in sides for cell in (_share(side.rate), _times(side.ratio))]
        made.add_row(one.group, " / ".join(counts), *cells)
    text = f"The adverse-impact ratio is a group's approval rate over that of '{found.reference}', "
    return [made, f"{text}with Katz's 95 % interval. It is a figure and no verdict."]


def _times(one: Interval | None) -> str:
    return "-" if one is None else f"{one.value:.3f} ({one.low:.3f} to {one.high:.3f})"


def _movers(report: VersionsReport) -> Grid:
    made = grid("Row", "Before", "After", "Answers", "Outcome", "Fields", right=9)
    for one in report.movers[:SHOWN]:
        answers = f"{one.champion_answer} to {one.challenger_answer}"
        fields = ", ".join(f"{name}={value}" for name, value in one.fields.items())
        outcome = {None: "-", 0: "good", 1: "bad"}[one.outcome]
        moved = f"{one.champion:.4f}", f"{one.challenger:.4f}"
        made.add_row(str(one.row), *moved, answers, outcome, fields)
    return made


def _group(group: Group) -> str:
    rate = "" if group.bad_rate is None else f" ({group.bad_rate.value:.1%} bad)"
    return f"{group.count:,}{rate}"


def _share(share: Interval | None) -> str:
    if share is None:
        return "-"
    return f"{share.value:.1%} ({share.low:.1%} to {share.high:.1%})"
