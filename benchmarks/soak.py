"""Soak: millions of mixed requests to two workers; twice a worker is killed.

    python -m benchmarks.soak --requests 2000000

Every answer is compared with the right one, and the server's own counts with those of the clients.
"""

from __future__ import annotations

import asyncio
import os
import re
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import click
import msgspec
import uvloop
from rich.console import Console
from rich.table import Table

from benchmarks.soaking.clients import Clients, Seen
from benchmarks.soaking.mix import Mix
from benchmarks.stage import Contestant, prepare, start
from tests.support.servers import Server
from tests.support.spied import workers_of

OPTIONS = {"BENTOML_CONFIG_OPTIONS": "services.credit_risk_classifier.workers=2"}
PAIR = Contestant("two workers", "services.credit", environ={"BACKEND": "onnx", **OPTIONS})
KILLS = (0.03, 0.06)
LOOKS = (0.0, 0.1, 0.25, 0.5, 0.75, 1.0)
SERIES = re.compile(r"bentoml_service_request_total\{(.*)\} (.*)")
SETTLE_S = 2


@click.command(context_settings={"show_default": True})
@click.option("--requests", default=2_000_000, help="Requests to send.")
@click.option("--connections", default=32, help="Connections that send at a time.")
def soak(*, requests: int, connections: int) -> None:
    """Send many mixed requests, and watch memory, descriptors and counters."""
    console = Console()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["BENTOML_HOME"] = folder
        bodies = prepare()
        # BentoML reads BENTOML_HOME when it is imported.
        from bentoml_ext.framework import load_model

        scorer = load_model("credit_risk_model:latest", "xgboost")
        mix = Mix([msgspec.json.decode(body) for body in bodies], scorer)
        with start(PAIR, Path(folder), bodies[0]) as (server, _):
            # The start made requests too; a worker adds their counts to the metrics at intervals.
            time.sleep(SETTLE_S)
            before = _counted(server)
            clients = Clients(server.port, mix, requests)
            watch = Watch(server, clients.seen, requests)
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(clients.run(connections, watch.look))
            watch.end()
            time.sleep(SETTLE_S)
            difference = clients.seen.difference(_counted(server) - before)
            _report(console, watch, clients.seen, difference, server.log)


@dataclass
class Watch:
    """What becomes of the workers meanwhile.

    Args:
        server: whose workers they are.
        seen: what the clients have seen so far.
        requests: that they send in all.
    """

    server: Server
    seen: Seen
    requests: int
    rows: list[tuple[float, int, float, int, int]] = field(default_factory=list)
    killed: int = 0
    began: float = field(default_factory=time.monotonic)
    took: float = 0
    _looked: int = 0

    def look(self) -> None:
        """Kill a worker, or measure them, if it is time."""
        done = self.seen.requests / self.requests
        if self.killed < len(KILLS) and done >= KILLS[self.killed]:
            # The one that has lived longest.
            worker = min(workers_of(self.server), key=lambda one: one.create_time())
            self.seen.kill()
            worker.kill()
            self.killed += 1
        if self._looked < len(LOOKS) and done >= LOOKS[self._looked]:
            self._measure(LOOKS[self._looked])
            self._looked += 1

    def end(self) -> None:
        """Measure a last time, when all clients have gone."""
        self.took = time.monotonic() - self.began
        time.sleep(SETTLE_S)
        self._measure(1.0)

    def _measure(self, done: float) -> None:
        click.echo(f"{done:.0%} in {time.monotonic() - self.began:.0f} s")
        for worker in workers_of(self.server):
            with worker.oneshot():
                memory, threads = worker.memory_info().rss / 1e6, worker.num_threads()
                self.rows.append((done, worker.pid, memory, worker.num_fds(), threads))


def _counted(server: Server) -> Counter[tuple[str, int]]:
    """Answers so far by endpoint and status, as the metrics have it."""
    found: Counter[tuple[str, int]] = Counter()
    for line in server.client.get("/metrics").text.splitlines():
        if match := SERIES.fullmatch(line):
            labels = dict(re.findall(r'(\w+)="([^"]*)"', match[1]))
            found[labels["endpoint"], int(labels["http_response_code"])] += int(float(match[2]))
    return found


def _report(console: Console, watch: Watch, seen: Seen, difference: list[str], log: str) -> None:
    table = Table("requests", "worker", "MB", "descriptors", "threads")
    for done, pid, memory, descriptors, threads in watch.rows:
        cells = (str(pid), f"{memory:.1f}", str(descriptors), str(threads))
        table.add_row(f"{done:.0%}", *cells)
    console.print(table)
    for (endpoint, status), count in sorted(seen.answered.items()):
        console.print(f"{endpoint} {status}: {count}")
    rate = seen.requests / watch.took
    console.print(f"{seen.requests} requests in {watch.took:.0f} s, {rate:.0f} a second")
    console.print(f"{watch.killed} workers killed; {seen.lost} answers lost with them")
    console.print(f"{seen.unsure.total()} requests whose answer nobody waited for, or lost")
    console.print(f"{len(seen.wrong)} wrong answers", *seen.wrong[:10], sep="\n")
    console.print(f"{len(difference)} counters differ", *difference, sep="\n")
    console.print(f"{len(log.splitlines())} lines of log", *log.splitlines()[-20:], sep="\n")
    if seen.wrong or difference:
        raise SystemExit(1)


if __name__ == "__main__":
    soak()
