"""In bulk: a portfolio of applications from Parquet to decisions on one core, every way in turns.

    make bench, or python -m benchmarks.bulk --help

Machines are shared and noisy: what counts are the ratios inside one run.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from benchmarks.portfolio.contestants import CONTESTANTS, OURS, Contestant

# `--help` answers before a library is loaded, and BentoML reads BENTOML_HOME when it is imported.
if TYPE_CHECKING:
    from rich.progress import Progress

    from benchmarks.portfolio.figures import Figures
    from benchmarks.portfolio.stage import Measured, Stage


@click.command(context_settings={"show_default": True})
@click.option("--rows", type=click.IntRange(min=100), default=1_000_000, help="Applications.")
@click.option("--rounds", type=click.IntRange(min=1), default=3, help="Runs of each, in turns.")
@click.option(
    "--only",
    multiple=True,
    type=click.Choice(list(CONTESTANTS)),
    help="Leave others out; may be repeated.",
)
@click.option(
    "--growth",
    is_flag=True,
    help="Also ours with a hundredth, a tenth and ten times as many rows.",
)
@click.option("--json", "output", type=click.Path(path_type=Path), help="File for the figures.")
def bulk(
    *, rows: int, rounds: int, only: tuple[str, ...], growth: bool, output: Path | None
) -> None:
    """Measure ways to score a portfolio: Parquet in, decisions out as Parquet.

    Each is a process of its own on one core and one thread, unless its name says otherwise. Total
    is from before it reads until it has written. Start is the rest of the process's life: imports,
    the model, a cluster, and their end. Memory is the most that the process and all below it have
    at one time; what they share counts once. Every answer is compared with the booster's:
    decisions, and the bits of the probability and, where written, of the margin.

    Spark and Ray run the usual way inside their workers: their steps are not timed one by one. Both
    are extras: pip install 'bentoml-ext[ray,spark]'; Spark needs Java.

    Ends with 1 if one of ours failed or differs.
    """
    from rich.console import Console
    from rich.progress import Progress

    from benchmarks.portfolio.figures import Figures

    chosen = [CONTESTANTS[name] for name in CONTESTANTS if not only or name in only]
    with tempfile.TemporaryDirectory() as folder, Progress(console=Console(stderr=True)) as bar:
        os.environ["BENTOML_HOME"] = folder
        stage = _stage(Path(folder), rows, bar)
        skipped = {one.name: one.missing() for one in chosen if one.missing()}
        fit = [one for one in chosen if one.name not in skipped]
        taken = _take_turns(stage, fit, rounds, bar)
        sizes = (rows // 100, rows // 10, rows, rows * 10) if growth else ()
        figures = Figures(taken, skipped, _grow(stage, sizes, rounds, bar))
    console = Console(highlight=False, markup=False)
    # A file has no edge to wrap lines at.
    console.width = console.width if console.is_terminal else 120
    console.print(figures.table())
    for line in (*figures.notes(), *figures.verdicts()):
        console.print(line, soft_wrap=True)
    if growth:
        console.print(f"{OURS}, growth:", figures.growth_table())
    if output is not None:
        _write(output, figures)
    sys.exit(any(run.fault for run in figures.runs if run.name.startswith("ours")))


def _stage(folder: Path, rows: int, bar: Progress) -> Stage:
    from benchmarks.portfolio.stage import Stage

    task = bar.add_task("Training, drawing applications, asking the booster", total=None)
    stage = Stage(folder, rows)
    bar.remove_task(task)
    return stage


def _take_turns(
    stage: Stage, contestants: Sequence[Contestant], rounds: int, bar: Progress
) -> dict[str, list[Measured]]:
    runs: dict[str, list[Measured]] = {one.name: [] for one in contestants}
    task = bar.add_task("Measuring", total=rounds * len(contestants))
    for turn in range(rounds):
        # Every other round goes backwards: a machine that slows down is nobody's fault.
        for contestant in contestants[:: 1 if turn % 2 == 0 else -1]:
            runs[contestant.name].append(_measure(stage, contestant, stage.rows, bar))
            bar.advance(task)
    return runs


def _grow(
    stage: Stage, sizes: Sequence[int], rounds: int, bar: Progress
) -> dict[int, list[Measured]]:
    runs: dict[int, list[Measured]] = {rows: [] for rows in sizes}
    task = bar.add_task("Growing", total=rounds * len(sizes), visible=bool(sizes))
    for _ in range(rounds):
        for rows in sizes:
            runs[rows].append(_measure(stage, CONTESTANTS[OURS], rows, bar))
            bar.advance(task)
    return runs


def _measure(stage: Stage, contestant: Contestant, rows: int, bar: Progress) -> Measured:
    run = stage.measure(contestant, rows)
    described = f"{run.seconds['total']:.2f} s" if run.seconds else run.fault
    bar.console.print(f"{contestant.name}, {rows:,} rows: {described}")
    return run


def _write(output: Path, figures: Figures) -> None:
    from bentoml_ext import files

    described = {
        "runs": [asdict(run) for run in figures.runs],
        "notes": figures.notes(),
        "verdicts": figures.verdicts(),
    }
    files.write(output, json.dumps(described, indent=1).encode())


if __name__ == "__main__":
    bulk()
