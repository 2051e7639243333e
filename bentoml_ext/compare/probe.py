"""Probe: loads one backend in a process of its own and prints what that took.

python -m bentoml_ext.compare.probe FOLDER BACKEND
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import msgspec
import numpy as np

from bentoml_ext.scoring.opening import open_backend
from bentoml_ext.store.bundle import Bundle

__all__ = ["Probed", "probe"]


class Probed(msgspec.Struct, frozen=True):
    """What loading a backend took.

    Args:
        load_s: seconds from the import of its library to its first margin.
        memory_bytes: the most that the whole process held.
    """

    load_s: float
    memory_bytes: int


def probe(folder: Path, backend: str) -> Probed:
    """Load a backend in this process and score a row."""
    bundle = Bundle(folder)
    start = time.perf_counter()
    open_backend(bundle, backend).margins(np.zeros((1, bundle.manifest.n_features), np.float32))
    return Probed(time.perf_counter() - start, _most_bytes())


def _most_bytes() -> int:
    try:
        # Linux counts the parent's memory in a child's ru_maxrss; this line begins at exec.
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))
    except (OSError, StopIteration):
        import resource

        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return most if sys.platform == "darwin" else most * 1024


if __name__ == "__main__":
    sys.stdout.write(msgspec.json.encode(probe(Path(sys.argv[1]), sys.argv[2])).decode())
