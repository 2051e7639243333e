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
from benchmarks.stage import CONTESTANTS, Contestant, awake, memory_mb, prepare, resting, start

FLOOR, OURS = "floor", "ours, onnx"
SINGLE, MANY = "/classify", "/classify_batch"
BATCH = 1000
LONG = 100_000
WANTED = (
    ("ours, onnx", "floor", 0.6),
    ("ours, onnx", "course's Runner", 80),
    ("ours, onnx", "stock BentoML, onnx", 25),
    ("ours, onnx", "FastAPI, onnx", 6),
    ("ours, xgboost", "FastAPI, xgboost", 10),
)

Runs = dict[tuple[str, str, int], list[Load]]
"""By contestant, route and connections, a load of each round."""


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
        one = script(home, bodies, SINGLE)
        scripts = {SINGLE: one, MANY: script(home, [_batch(bodies)], MANY)}
        figures: dict[str, Any] = {}
        with ExitStack() as stack:
            servers = {}
            for name in names:
                console.print(f"Starting {name}")
                servers[name], _ = stack.enter_context(start(CONTESTANTS[name], home, bodies[0]))
                stack.enter_context(resting(servers[name]))
            runs = _take_turns(servers, scripts, seconds, rounds, console)
            memory = {name: memory_mb(server) for name, server in servers.items()}
            if OURS in servers:
                with awake(servers[OURS]):
                    figures |= _soak(servers[OURS], one, soak)
        figures["1 connection"] = _tails(home, bodies[0], one)
        figures["cold start"] = _cold_starts(home, bodies[0], rounds)
        figures["two workers"] = _two_workers(home, bodies[0], one, seconds, runs)
    _report(console, names, runs, memory, figures)
    if output is not None:
        _write(output, runs, memory, figures)


def _batch(bodies: list[bytes]) -> bytes:
    applications = (bodies * (BATCH // len(bodies) + 1))[:BATCH]
    return b"[" + b",".join(applications) + b"]"


def _take_turns(
    servers: dict[str, Any], scripts: dict[str, Path], seconds: float, rounds: int, console: Console
) -> Runs:
    runs: Runs = defaultdict(list)
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task("Measuring", total=len(servers) * rounds)
        for turn in range(rounds):
            # Every other round goes backwards: a machine that slows down is nobody's fault.
            for name in list(servers)[:: 1 if turn % 2 == 0 else -1]:
                routes = (SINGLE, MANY) if name.startswith("ours") else (SINGLE,)
                url = servers[name].url
                with awake(servers[name]):
                    drive(url, scripts[SINGLE], 32, 2 if turn == 0 else 0.5)
                    for connections in (1, 32):
                        for route in routes:
                            load = drive(url, scripts[route], connections, seconds)
                            runs[name, route, connections].append(load)
                progress.advance(task)
    return runs


def _tails(home: Path, body: bytes, one: Path) -> dict[str, Any]:
    """Of at least 100 000 answers to one connection: the longest, and p99 over p50 by rounds.

    With no other server on the machine than ours and the floor, which tells what of it is the
    machine's: even processes that rest cost time, as their memory is looked after.
    """
    loads: dict[str, list[Load]] = {FLOOR: [], OURS: []}
    with ExitStack() as stack:
        servers = {}
        for name in loads:
            servers[name], _ = stack.enter_context(start(CONTESTANTS[name], home, body))
            stack.enter_context(resting(servers[name]))
            with awake(servers[name]):
                drive(servers[name].url, one, 32, 2)
        while sum(load.requests for load in loads[OURS]) < LONG:
            for name, server in servers.items():
                with awake(server):
                    loads[name].append(drive(server.url, one, 1, 2))
    return {
        name: {
            "answers": sum(load.requests for load in of),
            "longest, ms": max(load.longest for load in of),
            "p99 / p50": _told([load.p99 / load.p50 for load in of]),
        }
        for name, of in loads.items()
    }


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
    return {"requests/s": rate, "over one": rate / _median(runs[OURS, SINGLE, 32], "rate")}


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
            loads, floors = runs[name, SINGLE, connections], runs[FLOOR, SINGLE, connections]
            rate, floor = _median(loads, "rate"), _median(floors, "rate")
            cells = [f"{rate:,.0f}", f"{rate / floor:.3f}"]
            cells += [f"{_median(loads, what):.2f}" for what in ("p50", "p99", "p999")]
            cells += [str(sum(load.failed for load in loads)), f"{memory[name]:.0f}"]
            table.add_row(name, str(connections), *cells)
    console.print(table)
    for name, other, least in WANTED:
        if name in names and other in names:
            pairs = zip(runs[name, SINGLE, 32], runs[other, SINGLE, 32], strict=True)
            ratios = [a.rate / b.rate for a, b in pairs]
            console.print(f"{name} / {other}: {_told(ratios)}, wanted {least:g}")
    for name in (name for name in names if name.startswith("ours")):
        for connections in (1, 32):
            pairs = zip(runs[name, MANY, connections], runs[name, SINGLE, connections], strict=True)
            rows = BATCH * _median(runs[name, MANY, connections], "rate")
            ratios = [BATCH * a.rate / b.rate for a, b in pairs]
            console.print(
                f"{name}, batches of {BATCH}, {connections} connections: {rows:,.0f} rows/s, "
                f"over singly {_told(ratios)}, wanted 10"
            )
    console.print_json(json.dumps(figures))


def _told(ratios: list[float]) -> str:
    rounds = ", ".join(f"{ratio:.2f}" for ratio in sorted(ratios))
    return f"{statistics.median(ratios):.2f} (rounds {rounds})"


def _write(output: Path, runs: Runs, memory: dict[str, float], figures: dict[str, Any]) -> None:
    from bentoml_ext import files

    rows = [
        {"contestant": name, "route": route, "connections": connections, **asdict(load)}
        for (name, route, connections), loads in runs.items()
        for load in loads
    ]
    files.write(
        output,
        json.dumps({"runs": rows, "memory_mb": memory, "figures": figures}, indent=1).encode(),
    )


if __name__ == "__main__":
    online()
