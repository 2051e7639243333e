"""Candidates: forms of the model that a proof judges, each as a function from rows to margins."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import onnx

from bentoml_ext.arrays import Rows
from bentoml_ext.backends.base import Backend
from bentoml_ext.backends.registry import opened_in
from bentoml_ext.boosters.base import Oracle
from bentoml_ext.boosters.ensemble import Floats
from bentoml_ext.disk_errors import naming
from bentoml_ext.store.bundle import GRAPH

__all__ = ["Candidate", "opened"]


@dataclass(frozen=True, eq=False)
class Candidate:
    """One form of the model.

    Args:
        name: in the proof.
        margins: float32 rows (n, n_features), n > 0, to float32 (n, n_targets).
        takes_infinities: whether rows may hold them.
        backend: the same as a backend, where it is one.
        graph: the ONNX model that it runs, where it runs one.
    """

    name: str
    margins: Callable[[Rows], Floats]
    takes_infinities: bool = True
    backend: Backend | None = None
    graph: onnx.ModelProto | None = None


@contextmanager
def opened(files: Mapping[str, bytes], oracle: Oracle) -> Iterator[list[Candidate]]:
    """Every form that these files of a bundle hold, ready to score.

    Each registered backend whose library is installed and whose file is there, and the booster's
    other ways of predicting.

    Args:
        files: of a bundle, by name.
        oracle: the booster.
    """
    graph = onnx.load_from_string(files[GRAPH])
    subjects = [
        Candidate(name, margins, takes_infinities=False)
        for name, margins in oracle.other_ways.items()
    ]
    with TemporaryDirectory(prefix="bentoml_ext-proof-") as name:
        folder = Path(name)
        for file, data in files.items():
            with naming(folder / file):
                (folder / file).write_bytes(data)
        subjects += _of_backends(folder, graph, takes_infinities=oracle.takes_infinities)
        yield subjects


def _of_backends(
    folder: Path, graph: onnx.ModelProto, *, takes_infinities: bool
) -> Iterator[Candidate]:
    for name, backend in opened_in(folder):
        runs_graph = backend.filename == GRAPH
        yield Candidate(
            name,
            backend.margins,
            takes_infinities or runs_graph,
            backend,
            graph if runs_graph else None,
        )
