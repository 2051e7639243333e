"""Margin graph: an exported file gives the booster's margins, however many threads run it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import onnx
import xgboost as xgb

from bentoml_ext.arrays import Rows
from bentoml_ext.backends.onnx_session import run, session
from bentoml_ext.boosters.xgb.confirm import read
from bentoml_ext.boosters.xgb.oracle import Oracle, on_one_thread
from bentoml_ext.errors import ProofFailed
from bentoml_ext.proof.bits import BitComparison
from bentoml_ext.proof.record import Part
from bentoml_ext.proving.row_sampler import Sampler
from bentoml_ext.proving.structure import compare_structure

__all__ = ["FileProof", "parts_on_threads", "prove_file"]

THREADS: Final = (1, 2, 4)
BATCHES: Final = (1, 50, 51, 1000)
RANDOM_ROWS: Final = 2_000
MOST_ROWS: Final = 20_000
NOTE: Final = f"batches of {', '.join(map(str, BATCHES))} and all rows at once"


@dataclass(frozen=True)
class FileProof:
    """Size of a comparison that found every bit equal.

    Args:
        nodes: of trees.
        rows: on splits, of extremes, random.
        threads: intra-op threads that they were scored with, each.
        batches: sizes, besides all rows at once.
    """

    nodes: int
    rows: int
    threads: tuple[int, ...] = THREADS
    batches: tuple[int, ...] = BATCHES


def prove_file(model: onnx.ModelProto, booster: xgb.Booster, *, seed: int = 0) -> FileProof:
    """Compare the output `margin` with the booster's, on several numbers of threads.

    Args:
        model: from rows to margins.
        booster: the truth.
        seed: of the random rows.

    Raises:
        ProofFailed: a tree or a bit differs; names the first.
    """
    _, ensemble = read(booster)
    structure = compare_structure(ensemble, model, "the file")
    for part in (structure, *parts_on_threads(model, booster, seed=seed)):
        if not part.holds:
            raise ProofFailed(f"{part.difference} Nothing was written.")
    return FileProof(structure.checked, part.checked)


def parts_on_threads(
    model: onnx.ModelProto, booster: xgb.Booster, *, seed: int = 0, missing: float | None = None
) -> Iterator[Part]:
    """The output `margin` compared with the booster's, a part for each number of threads."""
    _, ensemble = read(booster)
    oracle, sampler = Oracle(booster, ensemble, missing), Sampler(ensemble, seed)
    batches = [*sampler.extremes(), *sampler.random_rows(RANDOM_ROWS), *sampler.boundary()]
    rows = oracle.marked(np.concatenate(batches)[:MOST_ROWS])
    if not oracle.takes_infinities:
        rows = rows[~np.isinf(rows).any(axis=1)]
    with on_one_thread(booster):
        expected = oracle.truth(rows).margins
    for threads in THREADS:
        yield _compared(model, rows, expected, threads)


def _compared(model: onnx.ModelProto, rows: Rows, expected: Rows, threads: int) -> Part:
    running = session(model, threads)
    name = running.get_inputs()[0].name
    comparison = BitComparison(f"{threads} thread{'s' * (threads > 1)}", "margin", NOTE)
    # All rows last: whatever is counted before them is among them.
    for size in (*BATCHES, len(rows)):
        comparison.rows = 0
        # Few of the small batches: what they change shows in the first rows.
        for start in range(0, min(len(rows), 40 * size), size):
            some = slice(start, start + size)
            (margins,) = run(running, ["margin"], {name: rows[some]})
            comparison.compare("margin", expected[some], margins, rows[some])
            comparison.seen(len(rows[some]))
    return comparison.part()
