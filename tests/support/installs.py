"""Environments of users: made by uv, outside of any checkout, from the wheel that a release has."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.commands import ROOT

__all__ = ["bento_of", "build_wheel", "environment", "packages", "run", "uv"]

LIMIT_S = 900.0
UV = Path(sys.executable).parent / "uv"


def uv(*arguments: str | Path, cwd: Path | None = None) -> str:
    """What uv printed; skips the test where no index can be reached."""
    ended = _ended([UV, *arguments], cwd)
    if ended.returncode and any(
        words in ended.stderr for words in ("Failed to fetch", "error sending request", "dns error")
    ):
        pytest.skip(f"no package index can be reached: {ended.stderr.strip().splitlines()[-1]}")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def build_wheel(folder: Path) -> Path:
    """The wheel of this project, built from a copy, because a build leaves files beside it."""
    for name in ("pyproject.toml", "LICENSE", "README.md"):
        shutil.copy(ROOT / name, folder)
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "bentoml_ext", folder / "bentoml_ext", ignore=ignored)
    uv("build", "--quiet", "--wheel", "--out-dir", folder / "dist", folder)
    return next((folder / "dist").glob("*.whl"))


def environment(folder: Path, *what: str | Path) -> Path:
    """The interpreter of a new environment with these packages, or options of `uv pip install`."""
    uv("venv", "--quiet", "--python", sys.executable, folder)
    python = folder / "bin" / "python"
    # From a folder where no relative path of a bento leads anywhere.
    uv("pip", "install", "--quiet", "--python", python, *what, cwd=folder)
    return python


def packages(python: Path) -> dict[str, str]:
    """The packages of an environment, and their versions."""
    lines = uv("pip", "freeze", "--quiet", "--python", python).splitlines()
    return {name: version for name, _, version in (line.partition("==") for line in lines)}


def run(
    python: Path, home: Path, cwd: Path, *arguments: str | Path, **variables: str
) -> subprocess.CompletedProcess[str]:
    """`bentoml ARGUMENTS` of an environment, ended, whatever its exit code."""
    return _ended([python.parent / "bentoml", *arguments], cwd, BENTOML_HOME=str(home), **variables)


def bento_of(home: Path, name: str) -> Path:
    """The folder of the latest bento of this name."""
    folder = home / "bentos" / name
    return folder / (folder / "latest").read_text()


def _ended(
    command: list[str | Path], cwd: Path | None, **variables: str
) -> subprocess.CompletedProcess[str]:
    plain = {"PYTHONWARNINGS": "ignore", "NO_COLOR": "1", "COLUMNS": "200"}
    return subprocess.run(
        list(map(str, command)),
        cwd=cwd,
        env={**os.environ, **plain, **variables},
        capture_output=True,
        text=True,
        check=False,
        timeout=LIMIT_S,
    )
