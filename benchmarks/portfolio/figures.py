"""Figures: medians over rounds, ratios inside rounds, and the tables of them."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from rich.table import Table

from benchmarks.portfolio.contestants import FLOOR, OURS
from benchmarks.portfolio.stage import STEPS, Measured

__all__ = ["Figures"]


@dataclass(frozen=True)
class Wanted:
    """A bound on how often the time of `under` goes into that of `over`."""

    over: str
    under: str
    bound: float
    at_most: bool = False


WANTED = (
    Wanted(OURS, FLOOR, 1.3, at_most=True),
    Wanted("pandas, xgboost", OURS, 10),
    Wanted("Spark", OURS, 7),
    Wanted("Ray Data", OURS, 7),
    Wanted("ours, 1 worker on 2 cores", "ours, 2 workers on 2 cores", 1.8),
)
ENCODE_US = 0.15
PEAK_MB = 400


@dataclass(frozen=True)
class Figures:
    """Results of a number of rounds.

    Args:
        rounds: each contestant's runs, one for each round.
        skipped: contestants that cannot run here, and why.
        growth: runs of ours by number of rows, rising; perhaps none.
    """

    rounds: dict[str, list[Measured]]
    skipped: dict[str, str]
    growth: dict[int, list[Measured]]

    def table(self) -> Table:
        """A line for each contestant."""
        headings = (*STEPS, "total", "start", "us/row", "floor", "MB", "same")
        table = _table("seconds", *headings)
        for name, runs in self.rounds.items():
            table.add_row(name, *self._cells(name, runs))
        for name in self.skipped:
            table.add_row(name, *["-"] * len(headings))
        return table

    def growth_table(self) -> Table:
        """A line for each number of rows."""
        table = _table("rows", "total s", "us/row", "rows/s", "MB", "same")
        for rows, runs in self.growth.items():
            total = _median(runs, "total")
            table.add_row(
                f"{rows:,}",
                _cell(total, ".2f"),
                _cell(total and total / rows * 1e6, ".2f"),
                _cell(total and rows / total, ",.0f"),
                _cell(_peak(runs), ".0f"),
                _fault(runs) or "yes",
            )
        return table

    def notes(self) -> list[str]:
        """Who did not run, who failed, and whose answers are not the booster's."""
        skipped = [f"{name}: skipped, {reason}" for name, reason in self.skipped.items()]
        faults = {name: _fault(runs) for name, runs in self.rounds.items()}
        return skipped + [f"{name}: {fault}" for name, fault in faults.items() if fault]

    def verdicts(self) -> list[str]:
        """Each bound that was measured, beside what was wanted."""
        lines = []
        for wanted in WANTED:
            if ratios := sorted(self.ratios(wanted.over, wanted.under)):
                bound = f"at {'most' if wanted.at_most else 'least'} {wanted.bound:g}"
                rounds = ", ".join(f"{ratio:.2f}" for ratio in ratios)
                lines.append(
                    f"{wanted.over} / {wanted.under}: {statistics.median(ratios):.2f} "
                    f"(wanted {bound}; rounds {rounds})"
                )
        ours = self.rounds.get(OURS, [])
        if (encode := _median(ours, "encode")) is not None:
            figure = f"{encode / ours[0].rows * 1e6:.3f} us/row"
            lines.append(f"{OURS}, encode: {figure} (wanted at most {ENCODE_US})")
        return lines + self._growth_verdicts()

    def _growth_verdicts(self) -> list[str]:
        if not self.growth:
            return []
        *_, (rows, before), (most, runs) = self.growth.items()
        lines = [f"{OURS}, {most:,} rows: {_peak(runs):.0f} MB (wanted at most {PEAK_MB})"]
        a, b = _median(before, "total"), _median(runs, "total")
        if a is not None and b is not None:
            lines.append(f"{OURS}, time of {most:,} rows / of {rows:,}: {b / a:.2f} (linear: 10)")
        return lines

    @property
    def runs(self) -> list[Measured]:
        """Every run of every contestant and size."""
        return [run for runs in (*self.rounds.values(), *self.growth.values()) for run in runs]

    def ratios(self, over: str, under: str) -> list[float]:
        """The total seconds of one contestant over those of another, round by round."""
        pairs = zip(self.rounds.get(over, []), self.rounds.get(under, []), strict=False)
        return [
            a.seconds["total"] / b.seconds["total"] for a, b in pairs if a.seconds and b.seconds
        ]

    def _cells(self, name: str, runs: Sequence[Measured]) -> list[str]:
        total = _median(runs, "total")
        start = [run.wall_s - run.seconds["total"] for run in runs if run.seconds]
        floor = self.ratios(name, FLOOR)
        return [
            *(_cell(_median(runs, step), ".2f") for step in STEPS),
            _cell(total, ".2f"),
            _cell(statistics.median(start) if start else None, ".2f"),
            _cell(total and total / runs[0].rows * 1e6, ".2f"),
            _cell(statistics.median(floor) if floor else None, ".2f"),
            _cell(_peak(runs), ".0f"),
            "NO" if _fault(runs) else "yes",
        ]


def _median(runs: Sequence[Measured], step: str) -> float | None:
    """Seconds of a step; None if no run has measured it."""
    seconds = [run.seconds[step] for run in runs if step in run.seconds]
    return statistics.median(seconds) if seconds else None


def _peak(runs: Sequence[Measured]) -> float:
    return statistics.median(run.peak_mb for run in runs)


def _fault(runs: Sequence[Measured]) -> str:
    return next((run.fault for run in runs if run.fault), "")


def _table(first: str, *others: str) -> Table:
    table = Table(first)
    for heading in others:
        table.add_column(heading, justify="right")
    return table


def _cell(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)
