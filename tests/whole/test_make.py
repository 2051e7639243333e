"""The README's two commands, in a fresh clone: `make serve`, and the same again in seconds."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest

from models.fields import EXAMPLE
from models.synthetic import generate
from tests.support.commands import ROOT
from tests.support.servers import Server, started

pytestmark = pytest.mark.slow

FIRST_LIMIT_S = 900.0
NEXT_LIMIT_S = 60.0
"""Of a busy machine; idle it takes less than ten."""


@dataclass
class Clone:
    """A fresh clone and what it answered at its first start.

    Args:
        folder: the clone.
        home: its BENTOML_HOME, empty at the first start.
        log: output of the first `make serve`, with that of starts whose port was taken.
        answers: bodies of the first start.
        stamp_ns: when the environment was made.
    """

    folder: Path
    home: Path
    log: str = ""
    answers: list[bytes] = field(default_factory=list)
    stamp_ns: int = 0

    @contextmanager
    def serving(self, limit_s: float, **environ: str) -> Iterator[Server]:
        """`make serve`, ready."""
        # BentoML listens everywhere unless told otherwise.
        environ |= {"BENTOML_HOST": "127.0.0.1"}
        wait = partial(Server.wait, limit_s=limit_s)
        with started(["make", "serve"], "PORT=", self.home, self.folder, wait, **environ) as server:
            yield server

    def stamp(self) -> int:
        """When the environment was made or changed."""
        return (self.folder / ".venv" / ".serving").stat().st_mtime_ns


def answers(server: Server) -> list[bytes]:
    """Bodies of the course's curl and of a batch."""
    # The course sends it by `curl -d`, so without a header of its own.
    curl = ["curl", "--silent", "--show-error", "--fail", f"{server.url}/classify"]
    single = subprocess.run([*curl, "-d", json.dumps(EXAMPLE)], capture_output=True, check=True)
    batch = server.client.post("/classify_batch", json=generate(300, 5).applications())
    assert batch.status_code == 200
    return [single.stdout, batch.content]


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Clone:
    folder = tmp_path_factory.mktemp("make")
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(folder / "clone")], check=True)
    made = Clone(folder / "clone", folder / "home")
    made.home.mkdir()
    with made.serving(FIRST_LIMIT_S) as server:
        made.answers = answers(server)
        made.log = "".join(log.read_text() for log in made.home.glob("server-*.log"))
        assert server.client.get("/model").json()["backend"] == "onnx"
    made.stamp_ns = made.stamp()
    return made


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """What this test run was started with must not reach the clone's make."""
    for name in [name for name in os.environ if name.startswith("MAKE") or name == "PYTHONPATH"]:
        monkeypatch.delenv(name)


def test_the_first_make_serve_installs_trains_converts_and_serves(clone: Clone) -> None:
    assert "AUC" in clone.log
    assert "Saved" in clone.log
    assert [path.name for path in (clone.home / "models").iterdir()] == ["credit_risk_model"]
    assert list(json.loads(clone.answers[0])) == ["Status", "probability"]


def test_the_courses_curl_is_approved(clone: Clone) -> None:
    assert json.loads(clone.answers[0])["Status"] == "APPROVED"


def test_a_second_make_serve_installs_and_trains_nothing(clone: Clone) -> None:
    # An empty backend is the default.
    with clone.serving(NEXT_LIMIT_S, BACKEND="") as server:
        told = server.client.get("/model").json()
        found, log = answers(server), server.log

    assert told["backend"] == "onnx"
    assert found == clone.answers
    assert "nothing to train" in log
    assert "pip install" not in log
    assert clone.stamp() == clone.stamp_ns
    versions = list((clone.home / "models" / "credit_risk_model").iterdir())
    assert len([path for path in versions if path.is_dir()]) == 1


def test_the_other_backend_answers_the_same_bytes(clone: Clone) -> None:
    with clone.serving(NEXT_LIMIT_S, BACKEND="xgboost") as server:
        told = server.client.get("/model").json()
        found = answers(server)

    assert told["backend"] == "xgboost"
    assert found == clone.answers


def test_everything_that_was_made_is_ignored_by_git(clone: Clone) -> None:
    status = subprocess.run(
        ["git", "status", "--porcelain"], cwd=clone.folder, capture_output=True, check=True
    )

    assert status.stdout == b""


@pytest.mark.parametrize("compiler", ["no-such-compiler", "false"])
def test_without_a_compiler_install_goes_on_and_says_so(tmp_path: Path, compiler: str) -> None:
    given = [f"{name}={tmp_path / name}" for name in ("SERVING", "STAMP", "KERNEL")]
    for name in ("SERVING", "STAMP"):
        (tmp_path / name).touch()
    command = ["make", "install", *given, f"CC={compiler}"]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)

    assert ended.stdout.startswith("Expected ")
    assert "got none" in ended.stdout
    assert "Everything but BACKEND=simd works without it." in ended.stdout
    assert not (tmp_path / "KERNEL").exists()
