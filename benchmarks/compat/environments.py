"""Environments: a covering set of Pythons and libraries, each in a virtual environment of its own.

Not every combination: every XGBoost stands beside both ends of ONNX Runtime, and every Python
beside both ends of everything.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

__all__ = [
    "ENVIRONMENTS",
    "FOLDER",
    "ROOT",
    "BuildFailedError",
    "Environment",
    "build",
    "python_of",
]

ROOT: Final = Path(__file__).parents[2]
FOLDER: Final = ROOT / "build" / "compat"
EXTRAS: Final = ("xgboost", "train", "convert", "bulk")
# 300 MB for GPUs, and nothing is trained on one here.
LEFT_OUT: Final = "nvidia-nccl-cu12; sys_platform == 'never'\n"


class BuildFailedError(Exception):
    """An environment cannot be made; says why."""


@dataclass(frozen=True)
class Environment:
    """What is installed together.

    Args:
        name: of its line in the table.
        pythons: versions of CPython that will do; the first that is found is taken.
        pins: what a library is held to; all others are the newest that pyproject.toml allows.
        oldest: whether every library of ours is instead the oldest that pyproject.toml allows.
    """

    name: str
    pythons: tuple[str, ...]
    pins: tuple[str, ...] = ()
    oldest: bool = False

    @property
    def folder(self) -> str:
        """The name without blanks."""
        return self.name.replace(", ", "-").replace(" ", "-")


def _mixed(python: str, xgboost: str, runtime: str = "") -> Environment:
    pins = (f"xgboost=={xgboost}.*", *([f"onnxruntime=={runtime}.*"] if runtime else []))
    name = f"xgboost {xgboost}" + (f", onnxruntime {runtime}" if runtime else "")
    return Environment(f"{name}, Python {python}", (python,), pins)


ENVIRONMENTS: Final = (
    Environment("oldest", ("3.11",), oldest=True),
    _mixed("3.11", "3.0"),
    _mixed("3.11", "3.2", "1.20"),
    Environment("newest, Python 3.11", ("3.11",)),
    _mixed("3.12", "2.1"),
    _mixed("3.12", "3.0", "1.20"),
    _mixed("3.12", "3.2"),
    Environment("onnxruntime 1.20, Python 3.12", ("3.12",), ("onnxruntime==1.20.*",)),
    _mixed("3.13", "2.1", "1.20"),
    _mixed("3.13", "3.0"),
    _mixed("3.13", "3.2", "1.20"),
    Environment("newest", ("3.14", "3.13", "3.12", "3.11")),
)


def python_of(environment: Environment) -> Path | None:
    """The interpreter to use; None where this machine has none of that version."""
    return next(filter(None, map(_find, environment.pythons)), None)


def _find(version: str) -> Path | None:
    managed = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    names = sorted(managed.glob(f"{version}.*/bin/python"), reverse=True)
    on_path = shutil.which(f"python{version}")
    found = [Path(on_path)] if on_path else []
    return next((path for path in [*found, *names] if _version(path) == version), None)


def _version(python: Path) -> str:
    # A shim of pyenv is there, but does not run where its version is not chosen.
    code = "import sys; print('%d.%d' % sys.version_info[:2])"
    ended = subprocess.run([str(python), "-c", code], capture_output=True, text=True, check=False)
    return ended.stdout.strip()


def build(environment: Environment, python: Path) -> Path:
    """The interpreter of the environment, made or brought up to date.

    Args:
        environment: what is installed.
        python: from `python_of`.

    Raises:
        BuildFailedError: the versions do not fit together, or cannot be fetched.
    """
    folder = FOLDER / environment.folder
    made = folder / "bin" / "python"
    if not made.exists():
        _uv("venv", "--quiet", "--clear", "--python", python, folder)
    override, pins = folder / "override.txt", folder / "pins.txt"
    override.write_text(LEFT_OUT)
    pins.write_text("".join(f"{pin}\n" for pin in environment.pins))
    install: tuple[str | Path, ...] = ("pip", "install", "--quiet", "--python", made)
    extras = [option for name in EXTRAS for option in ("--extra", name)]
    how = ["--resolution", "lowest-direct"] if environment.oldest else ["--upgrade"]
    files: tuple[str | Path, ...] = ("--override", override, "--constraint", pins)
    _uv(*install, "--requirements", ROOT / "pyproject.toml", *extras, *how, *files)
    _uv(*install, "--no-deps", "--editable", ROOT)
    return made


def _uv(*arguments: str | Path) -> None:
    command = [sys.executable, "-m", "uv", *map(str, arguments)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    if ended.returncode:
        raise BuildFailedError(" ".join(ended.stderr.split()))
