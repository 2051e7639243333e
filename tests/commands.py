"""Real commands for tests: other processes, with a BentoML home and an environment of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

__all__ = ["LIMIT_S", "ROOT", "bentoml_command", "environment", "python_code"]

ROOT = Path(__file__).parent.parent
LIMIT_S = 300.0


def environment(home: Path, **changes: str) -> dict[str, str]:
    """Variables for a process with this BENTOML_HOME; prints whole lines, without colours."""
    # Deprecations are BentoML's own, and would stand between the lines that tests read.
    settings = {"COLUMNS": "200", "PYTHONWARNINGS": "ignore", "NO_COLOR": "1"}
    return {**os.environ, **settings, "BENTOML_HOME": str(home), **changes}


def bentoml_command(
    home: Path, *arguments: str | Path, cwd: Path = ROOT, **environ: str
) -> subprocess.CompletedProcess[str]:
    """`bentoml ARGUMENTS`, ended, whatever its exit code."""
    return _run("-m", "bentoml", *arguments, home=home, cwd=cwd, environ=environ)


def python_code(
    code: str, home: Path, *arguments: str | Path, cwd: Path = ROOT, **environ: str
) -> subprocess.CompletedProcess[str]:
    """`python -c CODE ARGUMENTS`, ended, whatever its exit code."""
    return _run("-c", code, *arguments, home=home, cwd=cwd, environ=environ)


def _run(
    *arguments: str | Path, home: Path, cwd: Path, environ: dict[str, str]
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=cwd,
        env=environment(home, **environ),
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
