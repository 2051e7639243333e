"""Real commands for tests: other processes, with a BentoML home and an environment of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import chdir
from pathlib import Path

from click.testing import CliRunner

from bentoml_ext.cli import ext

__all__ = ["LIMIT_S", "ROOT", "bentoml_command", "environment", "ext_command", "python_code"]

ROOT = Path(__file__).parents[2]
LIMIT_S = 300.0


PLAIN = {"COLUMNS": "200", "NO_COLOR": "1"}
"""A command then prints whole lines, without colours."""


def environment(home: Path, **changes: str) -> dict[str, str]:
    """Variables for a process with this BENTOML_HOME."""
    # Deprecations are BentoML's own, and would stand between the lines that tests read.
    return {**os.environ, **PLAIN, "PYTHONWARNINGS": "ignore", "BENTOML_HOME": str(home), **changes}


def ext_command(
    *arguments: str | Path, cwd: Path = ROOT, **environ: str
) -> subprocess.CompletedProcess[str]:
    """`bentoml ext ARGUMENTS` in this process and on its home: 2 s faster than a new process.

    Raises:
        Exception: the command's own, where a process would print a traceback.
    """
    words = list(map(str, arguments))
    with chdir(cwd):
        ended = CliRunner().invoke(ext, words, prog_name="bentoml ext", env={**PLAIN, **environ})
    if ended.exception is not None and not isinstance(ended.exception, SystemExit):
        raise ended.exception
    return subprocess.CompletedProcess(words, ended.exit_code, ended.stdout, ended.stderr)


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
