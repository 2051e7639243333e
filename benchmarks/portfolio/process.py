"""Process: a command on the cores it is given, its time and the memory of all it starts (Linux)."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

__all__ = ["Ran", "run"]

# Looking at a tree takes milliseconds; of a single process the kernel keeps the most it had.
LOOK_S = 0.2
LIMIT_S = 3600
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


@dataclass(frozen=True)
class Ran:
    """A command that has ended.

    Args:
        code: its exit code.
        wall_s: seconds from its start to its end.
        peak_mb: most resident memory at one time of the process and all below it. What they share
            counts once (PSS), since Ray's dozen of processes share almost half of theirs.
        output: what it printed.
    """

    code: int
    wall_s: float
    peak_mb: float
    output: str


def run(
    command: Sequence[str], cores: set[int], cwd: Path, log: Path, environ: Mapping[str, str]
) -> Ran:
    """Run a command to its end.

    Args:
        command: the command line.
        cores: which it and all below it may use.
        cwd: folder to start in.
        log: file for what it prints.
        environ: variables to set; one thread for native libraries is set anyway.

    Raises:
        TimeoutError: it took more than an hour; it has been ended.
    """
    variables = {**os.environ, **ONE_THREAD, **environ}
    began = time.perf_counter()
    with log.open("wb") as file, _only(cores):
        process = subprocess.Popen(  # noqa: S603 (our own command)
            command, cwd=cwd, env=variables, stdout=file, stderr=file, start_new_session=True
        )
    try:
        peak = _watch(process, began + LIMIT_S)
        took = time.perf_counter() - began
    finally:
        # It leads a session of its own, so that nothing it started outlives it.
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    return Ran(process.returncode, took, peak / 1e6, log.read_text(errors="replace"))


@contextmanager
def _only(cores: set[int]) -> Iterator[None]:
    """What is started in the block runs on these cores."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _watch(process: subprocess.Popen[bytes], until: float) -> int:
    """The most memory until the process ends, in bytes."""
    known: set[psutil.Process] = {psutil.Process(process.pid)}
    peak = 0
    while True:
        peak = max(peak, _resident(known))
        with suppress(subprocess.TimeoutExpired):
            process.wait(LOOK_S)
            return peak
        if time.perf_counter() > until:
            raise TimeoutError(
                f"Expected an end within {LIMIT_S} s, got none - at {process.args!r}."
            )


def _resident(known: set[psutil.Process]) -> int:
    """Resident memory of a tree now, or the most that one process of it ever had if that is more.

    Args:
        known: processes of the tree so far, which grows; one whose parent has ended stays in it.
    """
    for process in list(known):
        with suppress(psutil.Error):
            known.update(process.children(recursive=True))
    highest = max(_kilobytes(process, "status", "VmHWM") for process in known)
    if len(known) == 1:
        return highest * 1024
    return max(highest, sum(_kilobytes(one, "smaps_rollup", "Pss") for one in known)) * 1024


def _kilobytes(process: psutil.Process, file: str, name: str) -> int:
    """A number that the kernel keeps of a process, 0 if it has ended."""
    with suppress(OSError):
        for line in Path(f"/proc/{process.pid}/{file}").read_text().splitlines():
            if line.startswith(f"{name}:"):
                return int(line.split()[1])
    return 0
