"""The kernel beside the better of the two old backends, over trees, depths and numbers of rows.

make simd && PYTHONPATH=build/simd python -m benchmarks.kernel_grid
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from itertools import product
from pathlib import Path

import click
import numpy as np
import xgboost as xgb
from rich.console import Console
from rich.table import Table

from benchmarks.kernel import least
from bentoml_ext.arrays import Rows
from bentoml_ext.backends.base import Backend
from bentoml_ext.backends.registry import opened_in
from bentoml_ext.export.forms import written

TREES, DEPTHS, ROWS = (10, 100, 500), (2, 4, 6, 10), (1, 2, 8, 32, 128, 1000, 10_000)


@click.command(context_settings={"show_default": True})
@click.option("--rounds", default=5, help="Measurements of each; they take turns.")
def grid(*, rounds: int) -> None:
    """Measure by the processor time of the thread; a number above 1 says that the kernel is slower.

    The backends that a worker's `auto` would have, on one thread each.
    """
    table = Table("trees", "depth", *(f"{n:,}" for n in ROWS))
    for trees, depth in product(TREES, DEPTHS):
        ratios = _ratios(_booster(trees, depth), rounds)
        table.add_row(str(trees), str(depth), *(f"{one:.2f}" for one in ratios))
    Console(width=110).print("simd over the better of onnx and xgboost, by rows of a call", table)


def _booster(trees: int, depth: int) -> xgb.Booster:
    generator = np.random.default_rng(depth)
    rows = generator.normal(size=(5000, 29)).astype(np.float32)
    label = rows[:, 0] * rows[:, 1] + generator.normal(scale=0.5, size=len(rows)) > 0
    how = {"objective": "binary:logistic", "max_depth": depth, "nthread": 1}
    return xgb.train(how, xgb.DMatrix(rows, label=label), trees)


def _ratios(booster: xgb.Booster, rounds: int) -> list[float]:
    rows = np.random.default_rng(1).normal(size=(max(ROWS), 29)).astype(np.float32)
    with tempfile.TemporaryDirectory() as folder:
        for name, data in written(booster).files.items():
            (Path(folder) / name).write_bytes(data)
        backends = dict(opened_in(Path(folder)))
    found = []
    for n in ROWS:
        calls = {name: _calls(backend, rows, n) for name, backend in backends.items()}
        took = least(calls, rounds)
        found.append(took.pop("simd") / min(took.values()))
    return found


def _calls(backend: Backend, rows: Rows, n: int) -> Callable[[], None]:
    """Calls of n rows; of one row, bound."""
    times = max(1, 2000 // n)
    parts = [rows[at % (len(rows) - n + 1) :][:n] for at in range(0, times * n, n)]
    row = rows[:1].copy()
    call = backend.single(row, backend.margins(row))

    def single() -> None:
        for part in parts:
            row[0] = part[0]
            call()

    def several() -> None:
        for part in parts:
            backend.margins(part)

    return single if n == 1 else several


if __name__ == "__main__":
    grid()
