"""Stage: a model store of the benchmark's own, and the contestants as real processes."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

import httpx
import psutil

from tests.support.servers import Server, free_port, running

__all__ = ["CONTESTANTS", "ROOT", "Contestant", "memory_mb", "prepare", "start"]

ROOT = Path(__file__).parent.parent
CSV = ROOT.parent / "shared" / "data" / "CreditScoring.csv"
START_S = 90


@dataclass(frozen=True)
class Contestant:
    """A service to start.

    Args:
        name: as the tables call it.
        target: what uvicorn or BentoML serves, or a module that takes a port.
        by: "uvicorn", "bentoml" or "module".
        needs: a module or a command that it cannot do without.
        environ: variables to set.
    """

    name: str
    target: str
    by: str = "bentoml"
    needs: str = ""
    environ: dict[str, str] = field(default_factory=dict)

    @property
    def is_there(self) -> bool:
        """Whether what it needs is installed."""
        return not self.needs or bool(shutil.which(self.needs) or find_spec(self.needs))

    def command(self, port: int) -> list[str]:
        """The command line that serves it on 127.0.0.1, one worker."""
        if self.by == "module":
            return [sys.executable, "-m", self.target, str(port)]
        at = ["--host", "127.0.0.1", "--port", str(port)]
        if self.by == "bentoml":
            workers = ["--api-workers", "1"] if self.target.endswith(":svc") else []
            return [sys.executable, "-m", "bentoml", "serve", self.target, *at, *workers]
        quiet = ["--no-access-log", "--log-level", "warning", "--loop", "uvloop"]
        fast = ["--http", "httptools", "--lifespan", "off"]
        return [sys.executable, "-m", "uvicorn", self.target, *at, *quiet, *fast]


CONTESTANTS = {
    contestant.name: contestant
    for contestant in (
        Contestant("floor", "benchmarks.contestants.floor:app", "uvicorn"),
        Contestant("nginx", "benchmarks.contestants.nginx", "module", "nginx"),
        Contestant("ours, onnx", "services.credit", environ={"BACKEND": "onnx"}),
        Contestant("ours, xgboost", "services.credit", environ={"BACKEND": "xgboost"}),
        Contestant("ours, auto", "services.credit", environ={"BACKEND": "auto"}),
        Contestant(
            "ours, simd",
            "services.credit",
            needs="bentoml_ext_simd",
            environ={"BACKEND": "simd"},
        ),
        Contestant("FastAPI, onnx", "benchmarks.contestants.fastapi_onnx:app", "uvicorn"),
        Contestant("FastAPI, xgboost", "benchmarks.contestants.fastapi_xgboost:app", "uvicorn"),
        Contestant("stock BentoML, onnx", "benchmarks.contestants.stock:Stock"),
        Contestant("course's Runner", "benchmarks.contestants.course:svc"),
    )
}


def prepare() -> list[bytes]:
    """Train into the store of BENTOML_HOME, our way and the course's.

    Returns:
        The held-out applications as JSON.
    """
    import bentoml
    import msgspec

    import bentoml_ext
    from benchmarks.contestants.parts import vectorizer
    from models.course_csv import load
    from models.split import split
    from models.synthetic import generate
    from models.training import train

    dataset = load(CSV) if CSV.is_file() else generate().dataset()
    trained = train(dataset)
    bentoml_ext.save_model("credit_risk_model", trained.booster, encoder=trained.encoder)
    signatures = {"predict": {"batchable": True}}
    bentoml.xgboost.save_model(
        "course_model",
        trained.booster,
        custom_objects={"DictVectorizer": vectorizer()},
        signatures=signatures,
    )
    _, held_out = split(dataset)
    return [msgspec.json.encode(application) for application in held_out.applications]


@contextmanager
def start(contestant: Contestant, home: Path, body: bytes) -> Iterator[tuple[Server, float]]:
    """A contestant that answers, and the seconds that its first 200 took from its start.

    Raises:
        RuntimeError: it ended, or took too long; with its output.
    """
    port = free_port()
    began = time.perf_counter()
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    environ = {"PYTHONPATH": path, **contestant.environ}
    with running(contestant.command(port), port, home, ROOT, **environ) as server:
        while not _answers(server, body):
            late = time.perf_counter() - began > START_S
            if late or server.process.poll() is not None:
                raise RuntimeError(f"Expected {contestant.name} to answer, got:\n{server.log}")
            time.sleep(0.01)
        yield server, time.perf_counter() - began


def _answers(server: Server, body: bytes) -> bool:
    headers = {"content-type": "application/json"}
    try:
        return server.client.post("/classify", content=body, headers=headers).is_success
    except httpx.TransportError:
        return False


def memory_mb(server: Server) -> float:
    """Resident memory of a server's processes, in MB; what they share counts for each."""
    process = psutil.Process(server.process.pid)
    tree = [process, *process.children(recursive=True)]
    total: int = sum(one.memory_info().rss for one in tree)
    return total / 1e6
