"""Python imports this at start where the folder is on its path: it sets and times the collector.

`GC_POLICY` is "default", "off" or three thresholds, set in place of those that the program sets.
`GC_LOG` begins the name of the file for the figures; its process ends it.
"""

from __future__ import annotations

import gc
import mmap
import os
import struct
import time
from collections.abc import Callable
from pathlib import Path

__all__: list[str] = []

FIGURES = struct.Struct("=3q3d3d")
"""Collections, seconds and longest of the three generations."""


def _watch(log: Path, policy: str) -> None:
    """Time the collections of this process from where the program sets its own thresholds."""
    set_threshold = gc.set_threshold

    def begin(*_: int) -> None:
        if policy == "off":
            gc.disable()
        elif policy != "default":
            set_threshold(*map(int, policy.split(",")))
        gc.callbacks.append(_noting(log))

    gc.set_threshold = begin
    if policy == "default":
        gc.freeze = lambda: None


def _noting(log: Path) -> Callable[[str, dict[str, int]], None]:
    log.write_bytes(bytes(FIGURES.size))
    with log.open("r+b") as file:
        memory = mmap.mmap(file.fileno(), FIGURES.size)
    counts, seconds, longest = [0] * 3, [0.0] * 3, [0.0] * 3
    began = 0.0

    def note(phase: str, collected: dict[str, int]) -> None:
        nonlocal began
        if phase == "start":
            began = time.perf_counter()
            return
        took, generation = time.perf_counter() - began, collected["generation"]
        counts[generation] += 1
        seconds[generation] += took
        longest[generation] = max(longest[generation], took)
        FIGURES.pack_into(memory, 0, *counts, *seconds, *longest)

    return note


if log := os.environ.get("GC_LOG"):
    _watch(Path(f"{log}-{os.getpid()}"), os.environ["GC_POLICY"])
