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
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from benchmarks.load import Load, drive, script
from benchmarks.stage import CONTESTANTS, Contestant, memory_mb, prepare, start
from tests.support.servers import Server

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
    ("ours, simd", "ours, onnx", 1),
    ("ours, simd", "nginx", 0.7),
    ("ours, onnx", "nginx", 0.5),
)

Runs = dict[tuple[str, str, int], list[Load]]
"""By contestant, route and connections, a load of each round."""


@dataclass(frozen=True)
class Site:
    """Where contestants start, one at a time: idle servers have timers, and memory to look after.

    Args:
        home: BENTOML_HOME, with the models.
        body: an application as JSON.
        scripts: of wrk, by route.
    """

    home: Path
    body: bytes
    scripts: dict[str, Path]

    @classmethod
    def prepare(cls, home: Path) -> Site:
        """Train, and write what is to be sent."""
        bodies = prepare()
        applications = (bodies * (BATCH // len(bodies) + 1))[:BATCH]
        batch = b"[" + b",".join(applications) + b"]"
        scripts = {SINGLE: script(home, bodies, SINGLE), MANY: script(home, [batch], MANY)}
        return cls(home, bodies[0], scripts)

    @contextmanager
    def warm(self, contestant: Contestant) -> Iterator[Server]:
        """A contestant that has answered for two seconds."""
        with start(contestant, self.home, self.body) as (server, _):
            self.drive(server, SINGLE, 32, 2)
            yield server

    def drive(self, server: Server, route: str, connections: int, seconds: float) -> Load:
        """Send to a route for a while."""
        return drive(server.url, self.scripts[route], connections, seconds)


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
    chosen = [name for name in CONTESTANTS if not only or name in only]
    names = [name for name in chosen if CONTESTANTS[name].is_there]
    for name in (name for name in chosen if name not in names):
        console.print(f"Left out: {name}, which needs {CONTESTANTS[name].needs}")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["BENTOML_HOME"] = folder
        console.print("Training")
        site = Site.prepare(Path(folder))
        runs, memory = _take_turns(site, names, seconds, rounds, console)
        figures: dict[str, Any] = {}
        if OURS in names:
            console.print("Measuring ours at one connection, from its start, and with two workers")
            figures["1 connection"] = _tails(site)
            figures["cold start"] = _cold_starts(site, rounds)
            figures["two workers"] = _two_workers(site, seconds, runs)
            figures["soak"] = _soak(site, soak, console)
    _report(console, names, runs, memory, figures)
    if output is not None:
        _write(output, runs, memory, figures)


def _take_turns(
    site: Site, names: list[str], seconds: float, rounds: int, console: Console
) -> tuple[Runs, dict[str, float]]:
    runs: Runs = defaultdict(list)
    memory: dict[str, float] = {}
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task("Measuring", total=len(names) * rounds)
        for turn in range(rounds):
            # Every other round goes backwards: a machine that slows down is nobody's fault.
            for name in names[:: 1 if turn % 2 == 0 else -1]:
                progress.update(task, description=name)
                routes = (SINGLE, MANY) if name.startswith("ours") else (SINGLE,)
                with site.warm(CONTESTANTS[name]) as server:
                    for connections in (1, 32):
                        for route in routes:
                            load = site.drive(server, route, connections, seconds)
                            runs[name, route, connections].append(load)
                    memory[name] = memory_mb(server)
                progress.advance(task)
    return runs, memory


def _tails(site: Site) -> dict[str, Any]:
    """Of at least 100 000 answers to one connection: the longest, and p99 over p50 by rounds.

    The floor's figures show the machine's own share.
    """
    loads: dict[str, list[Load]] = {FLOOR: [], OURS: []}
    while sum(load.requests for load in loads[OURS]) < LONG:
        for name, of in loads.items():
            with site.warm(CONTESTANTS[name]) as server:
                of.append(site.drive(server, SINGLE, 1, 2))
    return {
        name: {
            "answers": sum(load.requests for load in of),
            "longest, ms": max(load.longest for load in of),
            "p99 / p50": _spread([load.p99 / load.p50 for load in of]),
        }
        for name, of in loads.items()
    }


def _soak(site: Site, requests: int, console: Console) -> dict[str, float]:
    """Memory before and after many requests."""
    if not requests:
        return {}
    with site.warm(CONTESTANTS[OURS]) as server, Progress(console=console) as progress:
        site.drive(server, MANY, 32, 2)
        before, sent = memory_mb(server), 0
        task = progress.add_task("Soaking", total=requests)
        while sent < requests:
            sent += site.drive(server, SINGLE, 32, 5).requests
            progress.update(task, completed=sent)
        return {"requests": sent, "MB before": before, "MB after": memory_mb(server)}


def _cold_starts(site: Site, rounds: int) -> dict[str, float]:
    """Seconds to the first 200, beside those of a BentoML service that does nothing."""
    empty = Contestant("empty BentoML", "benchmarks.contestants.empty:Empty")
    taken: dict[str, list[float]] = defaultdict(list)
    for _ in range(rounds):
        for contestant in (empty, CONTESTANTS[OURS]):
            with start(contestant, site.home, site.body) as (_, seconds):
                taken[contestant.name].append(seconds)
    medians = {name: statistics.median(times) for name, times in taken.items()}
    ratios = [b / a for a, b in zip(*taken.values(), strict=True)]
    return {**medians, "ratio": statistics.median(ratios)}


def _two_workers(site: Site, seconds: float, runs: Runs) -> dict[str, float]:
    options = {"BENTOML_CONFIG_OPTIONS": "services.credit_risk_classifier.workers=2"}
    pair = Contestant("two", "services.credit", environ={"BACKEND": "onnx", **options})
    with site.warm(pair) as server:
        rate = site.drive(server, SINGLE, 32, seconds).rate
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
            console.print(f"{name} / {other}: {_spread(ratios)}, wanted {least:g}")
    for name in (name for name in names if name.startswith("ours")):
        for connections in (1, 32):
            pairs = zip(runs[name, MANY, connections], runs[name, SINGLE, connections], strict=True)
            rows = BATCH * _median(runs[name, MANY, connections], "rate")
            ratios = [BATCH * a.rate / b.rate for a, b in pairs]
            console.print(
                f"{name}, batches of {BATCH}, {connections} connections: {rows:,.0f} rows/s, "
                f"over singly {_spread(ratios)}, wanted 10"
            )
    console.print_json(json.dumps(figures))


def _spread(ratios: list[float]) -> str:
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
