"""File proof: a file that leaves gives the booster's own margins, however many threads run it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import onnx
import xgboost as xgb

from bentoml_ext.arrays import Rows
from bentoml_ext.comparing import Tally
from bentoml_ext.errors import ProofFailed
from bentoml_ext.export.graph import read
from bentoml_ext.export.oracle import Oracle, on_one_thread
from bentoml_ext.export.rows import Sampler
from bentoml_ext.export.running import session
from bentoml_ext.export.structure import compare_structure

__all__ = ["FileProof", "prove_file"]

THREADS: Final = (1, 2, 4)
BATCHES: Final = (1, 50, 51, 1000)
RANDOM_ROWS: Final = 2_000
MOST_ROWS: Final = 20_000


@dataclass(frozen=True)
class FileProof:
    """What was compared, all of it equal.

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
    if not structure.holds:
        raise ProofFailed(f"{structure.difference} Nothing was written.")
    oracle, sampler = Oracle(booster, ensemble), Sampler(ensemble, seed)
    batches = [*sampler.extremes(), *sampler.random_rows(RANDOM_ROWS), *sampler.boundary()]
    rows = np.concatenate(batches)[:MOST_ROWS]
    if not oracle.takes_infinities:
        rows = rows[~np.isinf(rows).any(axis=1)]
    with on_one_thread(booster):
        expected = oracle.truth(rows).margins
    for threads in THREADS:
        _compare(model, rows, expected, threads)
    return FileProof(structure.checked, len(rows))


def _compare(model: onnx.ModelProto, rows: Rows, expected: Rows, threads: int) -> None:
    running = session(model, threads)
    name = running.get_inputs()[0].name
    for size in (*BATCHES, len(rows)):
        tally = Tally(f"batches of {size}", f"the file on {threads} threads")
        # Few of the small batches: what they change shows in the first rows.
        for start in range(0, min(len(rows), 40 * size), size):
            some = slice(start, start + size)
            (margins,) = running.run(["margin"], {name: rows[some]})
            tally.compare("margin", expected[some], margins, rows[some])
            tally.seen(rows[some])
        if difference := tally.part().difference:
            raise ProofFailed(f"{difference} Nothing was written.")
