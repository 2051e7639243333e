"""Observing: what tracing, CORS and the access log cost, as ratios of one run.

python -m benchmarks.observing
"""

from __future__ import annotations

import os
import statistics
import tempfile
from collections import defaultdict
from pathlib import Path

import click
import psutil
from rich.console import Console
from rich.table import Table

from benchmarks.online import SINGLE, Site
from benchmarks.stage import Contestant
from tests.support.servers import Server

PLAIN = "nothing"
OF = "services.credit_risk_classifier"
TRACING = f"{OF}.tracing.exporter_type=in_memory {OF}.tracing.sample_rate="
CORS = f'{OF}.http.cors.enabled=true {OF}.http.cors.access_control_allow_origins="*"'
OBSERVED = {
    PLAIN: {},
    "tracing, 1 %": {"BENTOML_CONFIG_OPTIONS": f"{TRACING}0.01"},
    "tracing, 10 %": {"BENTOML_CONFIG_OPTIONS": f"{TRACING}0.1"},
    "CORS": {"BENTOML_CONFIG_OPTIONS": CORS},
    "the access log": {"ACCESS_LOG": "on"},
    "all of them, 1 %": {"BENTOML_CONFIG_OPTIONS": f"{TRACING}0.01 {CORS}", "ACCESS_LOG": "on"},
    "BentoML's own path": {"FASTPATH": "off"},
}


@click.command(context_settings={"show_default": True})
@click.option("--seconds", default=4.0, help="Length of each measurement.")
@click.option("--rounds", default=3, help="Measurements of each; they take turns.")
@click.option("--connections", default=32)
def observing(*, seconds: float, rounds: int, connections: int) -> None:
    """Measure the service under wrk with each way to look at it."""
    rates: dict[str, list[float]] = defaultdict(list)
    costs: dict[str, list[float]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as folder:
        os.environ["BENTOML_HOME"] = folder
        site = Site.prepare(Path(folder))
        for turn in range(rounds):
            for name in list(OBSERVED)[:: 1 if turn % 2 == 0 else -1]:
                environ = {"BACKEND": "onnx", **OBSERVED[name]}
                with site.warm(Contestant(name, "services.credit", environ=environ)) as server:
                    before = _busy_s(server)
                    load = site.drive(server, SINGLE, connections, seconds)
                    rates[name].append(load.rate)
                    costs[name].append((_busy_s(server) - before) / load.requests * 1e6)
    # The second ratio holds on a busy machine too.
    table = Table("observed", "requests/s", f"of {PLAIN}", "us of the processor", f"{PLAIN} of it")
    for name, found in rates.items():
        pairs = zip(found, rates[PLAIN], costs[name], costs[PLAIN], strict=True)
        ratios = [(rate / plain, least / cost) for rate, plain, cost, least in pairs]
        by_rate, by_cost = (statistics.median(column) for column in zip(*ratios, strict=True))
        middle = f"{statistics.median(costs[name]):.1f}"
        table.add_row(
            name, f"{statistics.median(found):,.0f}", f"{by_rate:.2f}", middle, f"{by_cost:.2f}"
        )
    Console().print(table)


def _busy_s(server: Server) -> float:
    """Seconds that the processor has spent on the workers, and on the kernel for them."""
    times = [child.cpu_times() for child in psutil.Process(server.process.pid).children()]
    return float(sum(one.user + one.system for one in times))


if __name__ == "__main__":
    observing()
