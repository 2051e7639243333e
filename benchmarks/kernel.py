"""The kernel of native/ beside XGBoost and ONNX Runtime: one thread, one run, the same bits.

make simd && PYTHONPATH=build/simd python -m benchmarks.kernel
"""

from __future__ import annotations

import math
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import click
import numpy as np
import xgboost as xgb
from rich.console import Console
from rich.table import Table

from bentoml_ext.arrays import Margins, Rows
from bentoml_ext.backends.base import Backend
from bentoml_ext.backends.onnx_runtime import OnnxRuntimeBackend
from bentoml_ext.backends.xgboost_native import XGBoostBackend
from bentoml_ext.export.forms import written
from models.course_csv import load
from models.synthetic import generate
from models.training import train

CSV = Path(__file__).parents[2] / "shared" / "data" / "CreditScoring.csv"
CALLS = 1000
"""Of one row, timed together."""


@dataclass(frozen=True, eq=False)
class Subject:
    """A model, and rows that it was not trained on.

    Args:
        name: in the table.
        booster: on one thread.
        rows: float32, (n, n_features).
    """

    name: str
    booster: xgb.Booster
    rows: Rows


@click.command(context_settings={"show_default": True})
@click.option("--rows", default=100_000, help="Rows of one call.")
@click.option("--rounds", default=5, help="Measurements of each; they take turns.")
@click.option("--only", default="", help="Models whose name has this text.")
def kernel(*, rows: int, rounds: int, only: str) -> None:
    """Measure each engine's margins by the processor time of the calling thread, the least of all.

    Time that another process has the core is not counted.
    """
    table = Table(
        "model", "engine", "us a row", "of XGBoost", "us, one row", "load ms", "same bits"
    )
    for name, make in MODELS.items():
        if only in name:
            subject = make(name, rows)
            for engine, line in _measured(subject, rounds).items():
                table.add_row(name, engine, *line)
            table.add_section()
    Console(width=120).print(table)


def _measured(subject: Subject, rounds: int) -> dict[str, list[str]]:
    """The line of each engine."""
    truth = subject.booster.inplace_predict(subject.rows, predict_type="margin")[:, None]
    with tempfile.TemporaryDirectory() as name:
        opened = dict(_engines(subject, Path(name)))
    many: dict[str, Callable[[], object]] = {
        engine: partial(backend.margins, subject.rows) for engine, (backend, _) in opened.items()
    }
    single = {engine: _one_row(backend, subject.rows) for engine, (backend, _) in opened.items()}
    rows_s, row_s = least(many, rounds), least(single, rounds)
    base = rows_s["XGBoost"]
    return {
        engine: [
            f"{rows_s[engine] / len(subject.rows) * 1e6:.4f}",
            f"{base / rows_s[engine]:.1f} x",
            f"{row_s[engine] / CALLS * 1e6:.2f}",
            f"{load_s * 1e3:.1f}",
            "yes" if _same(truth, backend.margins(subject.rows)) else "NO",
        ]
        for engine, (backend, load_s) in opened.items()
    }


def _engines(subject: Subject, folder: Path) -> Iterator[tuple[str, tuple[Backend, float]]]:
    """By name, each engine ready to score, and the seconds that it took to load."""
    from bentoml_ext_simd.backend import SimdBackend
    from bentoml_ext_simd.kernel import strategies

    for name, data in written(subject.booster).files.items():
        (folder / name).write_bytes(data)
    ready: dict[str, Callable[[], Backend]] = {
        "XGBoost": lambda: XGBoostBackend(folder / "booster.ubj"),
        "ONNX Runtime": lambda: OnnxRuntimeBackend(folder / "graph.onnx"),
    }
    for strategy in strategies():
        ready[f"ours, {strategy}"] = partial(SimdBackend, folder / SimdBackend.filename, strategy)
    for name, make in ready.items():
        start = time.thread_time()
        made = make()
        yield name, (made, time.thread_time() - start)


def _one_row(backend: Backend, rows: Rows) -> Callable[[], None]:
    """A thousand calls that are bound to one row."""
    row = rows[:1].copy()
    call = backend.single(row, backend.margins(row))

    def calls() -> None:
        for one in rows[:CALLS]:
            row[0] = one
            call()

    return calls


def least(ways: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Seconds of each, the least of several, in turns."""
    least = dict.fromkeys(ways, math.inf)
    for _ in range(rounds):
        for name, way in ways.items():
            start = time.thread_time()
            way()
            least[name] = min(least[name], time.thread_time() - start)
    return least


def _same(expected: Margins, got: Margins) -> bool:
    return np.array_equal(expected.view(np.uint32), got.view(np.uint32))


def _course(name: str, rows: int) -> Subject:
    """The course's model, on its own data where they are."""
    trained = train(load(CSV) if CSV.is_file() else generate(4454).dataset())
    fields = trained.encoder.fields
    applications = generate(rows, fields=fields).to_arrow().to_pylist()
    return Subject(name, trained.booster, trained.encoder.rows(applications))


def _made(trees: int, columns: int = 29, **parameters: Any) -> Callable[[str, int], Subject]:
    """A model of numbers, trained on 20 000 rows and asked about others."""

    def make(name: str, rows: int) -> Subject:
        generator = np.random.default_rng(0)
        known = generator.normal(size=(20_000, columns)).astype(np.float32)
        noise = generator.normal(scale=0.5, size=len(known))
        label = known[:, -1] * known[:, -2] + known[:, -3] + 0.3 * known[:, 0] + noise > 0
        how = {"objective": "binary:logistic", "eta": 0.1, "nthread": 1} | parameters
        booster = xgb.train(how, xgb.DMatrix(known, label=label), trees)
        return Subject(name, booster, generator.normal(size=(rows, columns)).astype(np.float32))

    return make


LOSSGUIDE: dict[str, Any] = {"grow_policy": "lossguide", "max_leaves": 256, "max_depth": 10}

MODELS: dict[str, Callable[[str, int], Subject]] = {
    "175 trees, depth 3, the course's": _course,
    "300 trees, depth 4": _made(300, max_depth=4),
    "500 trees, depth 6": _made(500, max_depth=6),
    "500 trees, depth 6, 100 columns": _made(500, 100, max_depth=6),
    "1 000 trees, depth 10, 256 leaves": _made(1000, **LOSSGUIDE),
}


if __name__ == "__main__":
    kernel()
