"""A service of a test's own, and looks into its worker and its metrics."""

from __future__ import annotations

import re
import sys
from contextlib import AbstractContextManager
from pathlib import Path

import psutil

from tests.support.servers import ROOT, Server, serve

__all__ = ["series", "serve_spied", "worker_of", "workers_of"]

SERVICE = """
import gc
import sys
import bentoml
import bentoml_ext

@bentoml_ext.service(name="spied", {config})
class Spied(bentoml_ext.Classifier, model="credit_risk_model:latest"):
    @bentoml.api
    def modules(self) -> list[str]:
        return sorted(sys.modules)

    @bentoml.api
    def plain_heads(self) -> int:
        from bentoml_ext.serving.fastpath.protocol import Connection

        return max(len(one._batcher._simple) for one in gc.get_objects() if type(one) is Connection)
"""


def serve_spied(
    home: Path, folder: Path, config: str = "", environ: dict[str, str] | None = None
) -> AbstractContextManager[Server]:
    """A service of its own, with more configuration and a look at what it imported."""
    (folder / "spied.py").write_text(SERVICE.format(config=config))
    variables = {"PYTHONPATH": str(ROOT), **(environ or {})}
    target, python = "spied:Spied", sys.executable
    return serve(home, target, cwd=folder, python=python, wait=Server.wait, **variables)


def series(server: Server, name: str, **labels: str) -> float:
    """The sum of a Prometheus series over the samples that have these labels."""
    total = 0.0
    for line in server.client.get("/metrics").text.splitlines():
        found = re.fullmatch(rf"bentoml_service_{name}\{{(.*)\}} (.*)", line)
        if found and all(f'{k}="{v}"' in found[1] for k, v in labels.items()):
            total += float(found[2])
    return total


def worker_of(server: Server) -> psutil.Process:
    (worker,) = workers_of(server)
    return worker


def workers_of(server: Server) -> list[psutil.Process]:
    return [
        child
        for child in psutil.Process(server.process.pid).children(recursive=True)
        if child.status() != psutil.STATUS_ZOMBIE
        and "_bentoml_impl.worker.service" in child.cmdline()
    ]
