"""Signals: a block that one ends is cleaned up, and its process says nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.commands import ROOT, environment
from tests.support.servers import eventually

SCRIPT = """
import os, signal, sys
from bentoml_ext.signals import ended_by_signal
number = int(sys.argv[1])
with ended_by_signal():
    try:
        {}
    finally:
        print("cleaned up", flush=True)
print("ended well")
"""
KILL = "os.kill(os.getpid(), number)"
HIDDEN = """
        try:
            os.kill(os.getpid(), number)
        except BaseException as error:
            raise ImportError("initialization failed") from error"""
ENDING = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]


def script(block: str, number: int, *prefix: str) -> tuple[int, str, str]:
    command = [*prefix, sys.executable, "-c", SCRIPT.format(block), str(int(number))]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("number", ENDING)
def test_a_signal_runs_what_cleans_up_and_gives_the_shells_code(number: int) -> None:
    assert script(KILL, number) == (128 + number, "cleaned up\n", "")


def test_an_error_that_a_library_makes_of_a_signal_is_not_told() -> None:
    assert script(HIDDEN, signal.SIGINT) == (130, "cleaned up\n", "")


def test_a_second_signal_ends_the_process_at_once() -> None:
    both = f"\n        try: {KILL}\n        finally: {KILL}"

    assert script(both, signal.SIGTERM) == (-signal.SIGTERM, "", "")


def test_a_signal_that_nohup_ignores_stays_ignored() -> None:
    told = script(KILL, signal.SIGHUP, "sh", "-c", 'trap "" HUP; exec "$@"', "sh")

    assert told == (0, "cleaned up\nended well\n", "")


@pytest.mark.slow  # Trains and proves.
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_training_that_ends_in_its_proof_leaves_nothing(number: int, tmp_path: Path) -> None:
    home, scratch = tmp_path / "home", tmp_path / "tmp"
    scratch.mkdir()
    process = subprocess.Popen(
        [sys.executable, "-m", "models.train", "--rows", "300"],
        cwd=ROOT,
        env=environment(home, TMPDIR=str(scratch)),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    eventually(lambda: list(scratch.glob("bentoml_ext-proof-*")), 60)
    os.kill(process.pid, number)
    _, told = process.communicate()

    assert (process.returncode, told) == (128 + number, "")
    assert list(scratch.iterdir()) == []
    assert [path for path in home.rglob("*") if path.is_file()] == []
