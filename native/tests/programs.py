"""Programs: the kernel's sources as programs of their own, for sanitizers and for ARM by qemu."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from bentoml_ext.arrays import Floats, Rows
from bentoml_ext_simd.kernel import strategies

__all__ = ["HERE", "MACHINES", "SOURCES", "Machine", "Program", "built", "scored"]

HERE: Final = Path(__file__).parent
SOURCES: Final = HERE.parent / "src"
FLAGS: Final = ["-std=c11", "-O1", "-g", "-ffp-contract=off", "-fno-sanitize-recover=all"]
SANITIZERS: Final = "-fsanitize=address,undefined"


@dataclass(frozen=True)
class Machine:
    """A processor that programs are built for.

    Args:
        compiler: that builds them.
        strategies: that it has.
        runner: what runs them here; empty where this processor does.
    """

    compiler: str
    strategies: tuple[str, ...]
    runner: tuple[str, ...] = ()

    @property
    def lacks(self) -> str:
        """The command that is not installed here; empty where all is."""
        needed = (self.compiler, *self.runner[:1])
        return next((name for name in needed if shutil.which(name) is None), "")


MACHINES: Final = {
    "here": Machine(os.environ.get("CC", "cc"), tuple(strategies())),
    "aarch64": Machine(
        "aarch64-linux-gnu-gcc",
        ("neon", "scalar"),
        ("qemu-aarch64", "-L", "/usr/aarch64-linux-gnu"),
    ),
}


@dataclass(frozen=True)
class Program:
    """A program, and what runs it."""

    path: Path
    machine: Machine

    def run(self, *arguments: object) -> subprocess.CompletedProcess[bytes]:
        """Its end; a sanitizer's word is on stderr."""
        command = [*self.machine.runner, str(self.path), *map(str, arguments)]
        # qemu's processes cannot be traced, which the search for leaks needs.
        leaks = {"ASAN_OPTIONS": "detect_leaks=0"} if self.machine.runner else {}
        environ = {**os.environ, **leaks}
        return subprocess.run(command, capture_output=True, check=False, env=environ)


def built(machine: Machine, main: Path, folder: Path, *, watched: bool = True) -> Program:
    """A program of the kernel and a file with `main`; watched by AddressSanitizer and UBSan."""
    apart = {"module.c", "fuzz.c"}
    sources = [main, *(path for path in SOURCES.glob("*.c") if path.name not in apart)]
    path = folder / main.stem
    how = SANITIZERS if watched else "-static"
    command = [machine.compiler, *FLAGS, how, f"-I{SOURCES}", "-o", str(path)]
    subprocess.run([*command, *map(str, sources), "-lm"], check=True)
    return Program(path, machine)


def scored(program: Program, data: bytes, rows: Rows, strategy: str, folder: Path) -> Floats:
    """Margins of rows by tests/score.c, (2 n, n_targets): all at once, then one by one."""
    trees, given = folder / "trees.simd", folder / "rows"
    trees.write_bytes(data)
    given.write_bytes(np.ascontiguousarray(rows).tobytes())
    ran = program.run(trees, given, len(rows), strategy)
    assert ran.returncode == 0, ran.stderr.decode()
    return np.frombuffer(ran.stdout, np.float32).reshape(2 * len(rows), -1)
