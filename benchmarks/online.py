"""Online: every contestant under the same load, in turns, one worker each.

    make bench, or python -m benchmarks.online --help

Machines are shared and noisy: what counts are the ratios inside one run.
"""

from __future__ import annotations

import json
import os
import statistics
import tempfile
from collections import defaultdict
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from benchmarks.load import Load, drive, script
from benchmarks.stage import CONTESTANTS, Contestant, memory_mb, prepare, start

FLOOR, OURS = "floor", "ours, onnx"
BATCH = 1000
WANTED = (
    ("ours, onnx", "floor", 0.6),
    ("ours, onnx", "course's Runner", 80),
    ("ours, onnx", "stock BentoML, onnx", 25),
    ("ours, onnx", "FastAPI, onnx", 6),
    ("ours, xgboost", "FastAPI, xgboost", 10),
)

Runs = dict[tuple[str, int], list[Load]]


@click.command(context_settings={"show_default": True})
@click.option("--seconds", default=4.0, help="Length of each measurement.")
@click.option("--rounds", default=3, help="Measurements of each; they take turns.")
@click.option(
    "--only", multiple=True, type=click.Choice(list(CONTESTANTS)), help="Leave others out."
)
@click.option("--soak", default=0, help="Requests to send to ours at the end, watching its memory.")
@click.option("--json", "output", type=click.Path(path_type=Path), help="File for the figures.")
def online(
    *, seconds: float, rounds: int, only: tuple[str, ...], soak: int, output: Path | None
) -> None:
    """Measure the service against others under wrk, on loopback."""
    console = Console()
    names = [name for name in CONTESTANTS if not only or name in only]
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        os.environ["BENTOML_HOME"] = folder
        os.environ["BENTOML_DO_NOT_TRACK"] = "True"
        bodies = prepare()
        one = script(home, bodies, "/classify")
        figures: dict[str, Any] = {}
        with ExitStack() as stack:
            servers = {}
            for name in names:
                console.print(f"Starting {name}")
                servers[name], _ = stack.enter_context(start(CONTESTANTS[name], home, bodies[0]))
            runs = _take_turns(servers, one, seconds, rounds, console)
            memory = {name: memory_mb(server) for name, server in servers.items()}
            figures |= _batches(servers, home, bodies, seconds, runs)
            if OURS in servers:
                figures |= _longest(servers[OURS], one)
                figures |= _soak(servers[OURS], one, soak)
        figures["cold start"] = _cold_starts(home, bodies[0], rounds)
        figures["two workers"] = _two_workers(home, bodies[0], one, seconds, runs)
    _report(console, names, runs, memory, figures)
    if output is not None:
        _write(output, runs, memory, figures)


def _take_turns(
    servers: dict[str, Any], one: Path, seconds: float, rounds: int, console: Console
) -> Runs:
    runs: Runs = defaultdict(list)
    total = len(servers) * (rounds * 2 + 1)
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task("Measuring", total=total)
        for server in servers.values():
            drive(server.url, one, 32, 2)
            progress.advance(task)
        for turn in range(rounds):
            # Every other round goes backwards: a machine that slows down is nobody's fault.
            for name in list(servers)[:: 1 if turn % 2 == 0 else -1]:
                for connections in (1, 32):
                    load = drive(servers[name].url, one, connections, seconds)
                    runs[name, connections].append(load)
                    progress.advance(task)
    return runs


def _batches(
    servers: dict[str, Any], home: Path, bodies: list[bytes], seconds: float, runs: Runs
) -> dict[str, Any]:
    """Rows a second in batches, over those sent singly by as many connections."""
    applications = (bodies * (BATCH // len(bodies) + 1))[:BATCH]
    many = script(home, [b"[" + b",".join(applications) + b"]"], "/classify_batch")
    figures: dict[str, Any] = {}
    for name in (name for name in servers if name.startswith("ours")):
        for connections in (1, 32):
            rows = drive(servers[name].url, many, connections, seconds).rate * BATCH
            singly = rows / _median(runs[name, connections], "rate")
            what = f"batch, {name}, connections {connections}"
            figures[what] = {"rows/s": rows, "over singly": singly}
    return figures


def _longest(server: Any, one: Path) -> dict[str, float]:
    """The longest of at least 100 000 answers at one connection, in milliseconds."""
    answered, longest = 0, 0.0
    while answered < 100_000:
        load = drive(server.url, one, 1, 5)
        answered, longest = answered + load.requests, max(longest, load.longest)
    return {"answers at 1 connection": answered, "longest of them, ms": longest}


def _soak(server: Any, one: Path, requests: int) -> dict[str, float]:
    if not requests:
        return {}
    before, sent = memory_mb(server), 0
    while sent < requests:
        sent += drive(server.url, one, 32, 10).requests
    return {"soak requests": sent, "MB before": before, "MB after": memory_mb(server)}


def _cold_starts(home: Path, body: bytes, rounds: int) -> dict[str, float]:
    """Seconds to the first 200, beside those of a BentoML service that does nothing."""
    empty = Contestant("empty BentoML", "benchmarks.contestants.empty:Empty")
    taken: dict[str, list[float]] = defaultdict(list)
    for _ in range(rounds):
        for contestant in (empty, CONTESTANTS[OURS]):
            with start(contestant, home, body) as (_, seconds):
                taken[contestant.name].append(seconds)
    medians = {name: statistics.median(times) for name, times in taken.items()}
    ratios = [b / a for a, b in zip(*taken.values(), strict=True)]
    return {**medians, "ratio": statistics.median(ratios)}


def _two_workers(
    home: Path, body: bytes, one: Path, seconds: float, runs: Runs
) -> dict[str, float]:
    options = {"BENTOML_CONFIG_OPTIONS": "services.credit_risk_classifier.workers=2"}
    pair = Contestant("two", "services.credit", environ={"BACKEND": "onnx", **options})
    with start(pair, home, body) as (server, _):
        drive(server.url, one, 32, 2)
        rate = drive(server.url, one, 32, seconds).rate
    return {"requests/s": rate, "over one": rate / _median(runs[OURS, 32], "rate")}


def _median(loads: list[Load], what: str) -> float:
    return statistics.median(getattr(load, what) for load in loads) if loads else float("nan")


def _report(
    console: Console,
    names: list[str],
    runs: Runs,
    memory: dict[str, float],
    figures: dict[str, Any],
) -> None:
    table = Table(
        "", "conn.", "requests/s", "of the floor", "p50 ms", "p99", "p99.9", "failed", "MB"
    )
    for column in table.columns[1:]:
        column.justify = "right"
    for name in names:
        for connections in (1, 32):
            loads = runs[name, connections]
            rate, floor = _median(loads, "rate"), _median(runs[FLOOR, connections], "rate")
            cells = [f"{rate:,.0f}", f"{rate / floor:.3f}"]
            cells += [f"{_median(loads, what):.2f}" for what in ("p50", "p99", "p999")]
            cells += [str(sum(load.failed for load in loads)), f"{memory[name]:.0f}"]
            table.add_row(name, str(connections), *cells)
    console.print(table)
    for name, other, least in WANTED:
        if name in names and other in names:
            pairs = zip(runs[name, 32], runs[other, 32], strict=True)
            ratios = sorted(a.rate / b.rate for a, b in pairs)
            middle = statistics.median(ratios)
            rounds = ", ".join(f"{ratio:.2f}" for ratio in ratios)
            console.print(f"{name} / {other}: {middle:.2f} (wanted {least:g}; rounds {rounds})")
    console.print_json(json.dumps(figures))


def _write(output: Path, runs: Runs, memory: dict[str, float], figures: dict[str, Any]) -> None:
    from bentoml_ext import files

    rows = [
        {"contestant": name, "connections": connections, "memory_mb": memory[name], **asdict(load)}
        for (name, connections), loads in runs.items()
        for load in loads
    ]
    files.write(output, json.dumps({"runs": rows, "figures": figures}, indent=1).encode())


if __name__ == "__main__":
    online()
