"""Probe: run by the interpreter of an environment, says as JSON what holds there.

python -m benchmarks.compat.probe OUTPUT
"""

from __future__ import annotations

import json
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import date
from functools import partial
from pathlib import Path
from typing import Final

import msgspec
import numpy as np

from bentoml_ext import files
from bentoml_ext.proof.environment import libraries
from models.synthetic import generate
from tests.support.commands import bentoml_command, python_code
from tests.support.servers import serve

__all__ = ["LIBRARIES", "Found"]

LIBRARIES: Final = (
    *("xgboost", "onnxruntime", "numpy", "onnx", "scikit-learn", "skl2onnx", "onnxmltools"),
    *("pyarrow", "bentoml", "uvicorn", "msgspec", "uvloop", "httptools", "starlette", "rich"),
)
BACKENDS: Final = ("onnx", "xgboost", "auto")
TRAIN: Final = "from models.train import train; train()"
TAG: Final = "credit_risk_model:latest"
ROWS: Final = 3_000
LINE: Final = 400
"""Letters of a reason."""


class Found(msgspec.Struct):
    """What a probe found.

    Args:
        python: version of CPython.
        versions: by library.
        models: by kind of model, "exact" or what happened instead.
        checks: by what was tried, "" or why it did not hold.
        seconds: how long it took.
        run: when, by which commit of ours and on what system, in words.
    """

    python: str
    versions: dict[str, str]
    models: dict[str, str]
    checks: dict[str, str]
    seconds: float
    run: str

    def wanting(self) -> list[tuple[str, str]]:
        """What did not hold or is not there, and why, each in one line."""
        found = [(what, why) for what, why in self.checks.items() if why]
        found += [(what, why) for what, why in self.models.items() if why != "exact"]
        return [(what, " ".join(why.split())[-LINE:]) for what, why in found]

    @property
    def holds(self) -> bool:
        """Whether every check did, and no model was wrong or failed."""
        bad = ("NOT EXACT", "failed")
        return not any(self.checks.values()) and not any(
            verdict.startswith(bad) for verdict in self.models.values()
        )


def probe() -> Found:
    """Look at every kind of model, then store one, prove it, serve it and score a portfolio."""
    from benchmarks.compat.matrix import verdicts

    start = time.perf_counter()
    models = verdicts()
    with tempfile.TemporaryDirectory() as folder:
        story = Story(Path(folder))
        checks = {name: _tried(check) for name, check in story.chapters().items()}
    seconds = time.perf_counter() - start
    return Found(
        platform.python_version(), libraries(LIBRARIES), models, checks, seconds, run=_run()
    )


def _run() -> str:
    """Today, the commit of ours with a + where files differ from it, and the system."""
    questions = "rev-parse --short HEAD", "status --porcelain --untracked-files=no"
    commit, changed = (_git(*one.split()) for one in questions)
    system = f"{platform.system()} {platform.machine()}, {' '.join(platform.libc_ver())}"
    return f"{date.today()}, {commit or 'no commit'}{'+' * bool(changed)}, {system}"


def _git(*arguments: str) -> str:
    command = [shutil.which("git") or "git", *arguments]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    return ended.stdout.strip()


def _tried(check: Callable[[], None]) -> str:
    try:
        check()
    except Exception as error:
        return f"{type(error).__name__}: {error}"[-2000:]
    return ""


class Story:
    """One model's way through the product.

    Args:
        home: BENTOML_HOME, empty.
    """

    def __init__(self, home: Path) -> None:
        self._home = home
        self._portfolio = generate(ROWS)
        self._answers: dict[str, bytes] = {}

    def chapters(self) -> dict[str, Callable[[], None]]:
        """What to try, in this order."""
        served = {f"served by {name}": partial(self._serve, name) for name in BACKENDS}
        return {
            "train and prove": self._train,
            "verify": self._verify,
            **served,
            "same bytes": self._compare,
            "portfolio": self._score,
        }

    def _train(self) -> None:
        _ended(python_code(TRAIN, self._home, "--rows", str(ROWS)))

    def _verify(self) -> None:
        _ended(bentoml_command(self._home, "ext", "verify", TAG, "--rows", "20000"))

    def _serve(self, backend: str) -> None:
        """Answer one application and all of them, as a process of its own on 127.0.0.1."""
        applications = self._portfolio.applications()
        with serve(self._home, BACKEND=backend) as server:
            one = server.client.post("/classify", json=applications[0])
            many = server.client.post("/classify_batch", json=applications)
            facts = server.client.get("/model").json()
        if (one.status_code, many.status_code, facts["backend"]) != (200, 200, backend):
            raise RuntimeError(f"{one.status_code} {one.text}, {many.status_code}, {facts}")
        self._answers[backend] = many.content
        if json.loads(many.content)[0] != one.json():
            raise RuntimeError("one application has another answer alone than in a batch")

    def _compare(self) -> None:
        if len(self._answers) != len(BACKENDS) or len(set(self._answers.values())) != 1:
            raise RuntimeError(f"backends differ, or fewer than {len(BACKENDS)} answered")

    def _score(self) -> None:
        """Score a Parquet file, and find the probabilities that the service answered."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        source, output = self._home / "in.parquet", self._home / "out.parquet"
        pq.write_table(pa.Table.from_batches([self._portfolio.to_arrow()]), source)
        _ended(bentoml_command(self._home, "ext", "score", TAG, source, "-o", output))
        found = pq.read_table(output)["probability"].to_numpy()
        served = json.loads(self._answers["onnx"])
        expected = np.array([answer["probability"] for answer in served], np.float32)
        if not np.array_equal(found.astype(np.float32), expected):
            raise RuntimeError("the portfolio has other probabilities than the service")


def _ended(ended: object) -> None:
    code = getattr(ended, "returncode", None)
    if code != 0:
        raise RuntimeError(f"exit code {code}: {getattr(ended, 'stderr', '')}")


if __name__ == "__main__":
    files.write(Path(sys.argv[1]), msgspec.json.encode(probe()))
