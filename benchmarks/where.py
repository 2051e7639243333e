"""Where the microseconds of one request go: py-spy over a contestant under load.

python -m benchmarks.where "ours, onnx"
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from pathlib import Path

import click
import psutil
from rich.console import Console
from rich.table import Table

from benchmarks.load import drive, script
from benchmarks.stage import CONTESTANTS, prepare, start
from tests.support.servers import Server

# A frame is `function (file:line)`; its file names the part.
PARTS = (
    (r"httptools_impl.py", "uvicorn: parse, head, write"),
    (r"uvicorn/|uvloop", "uvicorn, other"),
    (r"asyncio/", "event loop: waiting, reading, system calls"),
    (r"onnxruntime/", "ONNX Runtime"),
    (r"xgboost/", "XGBoost"),
    (r"answer \(bentoml_ext/serving/connection", "ours: to the socket, one system call"),
    (r"bentoml_ext/reader", "ours: JSON to row"),
    (r"bentoml_ext/(decision|probability)", "ours: margin to body"),
    (r"bentoml_ext/", "ours: the micro batcher"),
    (r"sklearn/|scipy/", "DictVectorizer"),
    (r"pydantic", "pydantic"),
    (r"opentelemetry|contextvars|trace/|asgi/", "OpenTelemetry"),
    (r"prometheus_client", "Prometheus"),
    (r"logging/", "logging"),
    (r"bentoml|simple_di", "BentoML"),
    (r"starlette/|fastapi/", "Starlette"),
)


@click.command()
@click.argument("name", type=click.Choice(list(CONTESTANTS)))
@click.option("--seconds", default=8, show_default=True)
def where(name: str, seconds: int) -> None:
    """Show what NAME spends the time of one request on."""
    spy = shutil.which("py-spy", path=str(Path(sys.executable).parent))
    if spy is None:
        raise click.ClickException(
            "Expected py-spy, got none - at .venv. Install the 'bench' extra."
        )
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        os.environ["BENTOML_HOME"] = folder
        bodies = prepare()
        one = script(home, bodies, "/classify")
        with start(CONTESTANTS[name], home, bodies[0]) as (server, _):
            drive(server.url, one, 32, 2)
            # Before: a process that is watched is slower, the deeper its stacks the more.
            alone = drive(server.url, one, 32, seconds)
            load = threading.Thread(target=drive, args=(server.url, one, 32, seconds + 2))
            load.start()
            samples = _samples(spy, server, home / "samples.txt", seconds)
            load.join()
    _show(name, samples, 1e6 / alone.rate)


def _samples(spy: str, server: Server, raw: Path, seconds: int) -> Counter[str]:
    tree = psutil.Process(server.process.pid).children(recursive=True)
    busiest = max(
        [psutil.Process(server.process.pid), *tree], key=lambda one: sum(one.cpu_times()[:2])
    )
    options = ["--pid", str(busiest.pid), "--duration", str(seconds), "--rate", "500"]
    subprocess.run(  # noqa: S603 (our own command)
        [spy, "record", *options, "--format", "raw", "--output", str(raw)],
        check=True,
        capture_output=True,
        timeout=seconds + 60,
    )
    found: Counter[str] = Counter()
    for line in raw.read_text().splitlines():
        stack, _, count = line.rpartition(" ")
        found[_part(stack.split(";")[-1])] += int(count)
    return found


def _part(leaf: str) -> str:
    """What a frame is part of; of what no table names, the package or module."""
    for pattern, part in PARTS:
        if re.search(pattern, leaf):
            return part
    place = re.search(r"\((.*):\d+\)", leaf)
    return place[1].partition("/")[0] if place else "other"


def _show(name: str, samples: Counter[str], microseconds: float) -> None:
    table = Table(f"{name}: {microseconds:.1f} us a request", "us", "share")
    for column in table.columns[1:]:
        column.justify = "right"
    total = samples.total()
    for part, count in samples.most_common(12):
        table.add_row(part, f"{count / total * microseconds:.1f}", f"{count / total:.1%}")
    Console().print(table)


if __name__ == "__main__":
    where()
