"""Pauses: what the garbage collector takes from a worker under load, by its thresholds.

    python -m benchmarks.pauses --help

Every policy is set in a real server; its worker times each of its own collections.
"""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

import click
from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks.load import Load, drive, script
from benchmarks.stage import CONTESTANTS, ROOT, memory_mb, prepare, start
from benchmarks.watched.sitecustomize import FIGURES

POLICIES = (
    "default",
    "700,10,10",
    "2000,20,100",
    "10000,20,100",
    "50000,20,100",
    "10000,1000,1000",
    "off",
)
"""default: Python's thresholds and nothing frozen; all others are frozen after the start."""


@dataclass(frozen=True)
class Found:
    """A policy under load.

    Args:
        loads: at 32 connections and at one.
        counts, seconds, longest: of the collections of each generation, in seconds.
        memory: of the processes, in MB.
    """

    loads: tuple[Load, Load]
    counts: tuple[int, ...]
    seconds: tuple[float, ...]
    longest: tuple[float, ...]
    memory: float


@click.command(context_settings={"show_default": True})
@click.option("--seconds", default=8.0, help="Length of each measurement.")
@click.option(
    "--policy", "policies", multiple=True, default=POLICIES, help="default, off or G,G,G."
)
@click.option("--fastpath", type=click.Choice(["on", "off"]), default="on", help="Whose path.")
def pauses(*, seconds: float, policies: tuple[str, ...], fastpath: str) -> None:
    """Measure the collector's pauses in our service under wrk, policy by policy."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["BENTOML_HOME"] = folder
        home, bodies = Path(folder), prepare()
        one = script(home, bodies, "/classify")
        console = Console(stderr=True)
        found = {
            policy: _measure({"GC_POLICY": policy, "FASTPATH": fastpath}, bodies[0], one, seconds)
            for policy in track(policies, "Measuring", console=console, transient=True)
        }
    _show(found)


def _measure(environ: dict[str, str], body: bytes, one: Path, seconds: float) -> Found:
    home, log = one.parent, f"gc-{environ['GC_POLICY']}"
    path = f"{ROOT}{os.pathsep}{ROOT / 'benchmarks' / 'watched'}"
    environ |= {"BACKEND": "onnx", "GC_LOG": str(home / log), "PYTHONPATH": path}
    with start(replace(CONTESTANTS["ours, onnx"], environ=environ), home, body) as (server, _):
        loads = drive(server.url, one, 32, seconds), drive(server.url, one, 1, seconds)
        # Only the worker sets thresholds, and so only it has figures.
        (figures,) = (FIGURES.unpack(path.read_bytes()) for path in home.glob(f"{log}-*"))
        memory = memory_mb(server)
    return Found(loads, figures[:3], figures[3:6], figures[6:], memory)


def _show(found: dict[str, Found]) -> None:
    names = ("thresholds", "requests/s", "p99 ms", "longest ms", "1 conn. p99", "longest")
    collector = ("collections", "longest ms by generation", "of the time", "MB")
    table = Table(*names, *collector)
    for column in table.columns[1:]:
        column.justify = "right"
    for policy, one in found.items():
        many, single = one.loads
        cells = [f"{many.rate:,.0f}", f"{many.p99:.2f}", f"{many.longest:.1f}"]
        cells += [f"{single.p99:.2f}", f"{single.longest:.1f}"]
        cells += [" / ".join(map(str, one.counts))]
        cells += [" / ".join(f"{1000 * longest:.2f}" for longest in one.longest)]
        cells += [f"{sum(one.seconds) / (many.seconds + single.seconds):.2%}", f"{one.memory:.0f}"]
        table.add_row(policy, *cells)
    Console(width=140).print(table)


if __name__ == "__main__":
    pauses()
