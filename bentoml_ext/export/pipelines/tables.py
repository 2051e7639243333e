"""Tables: columns of a pipeline between two of its steps, as tensors of a graph."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from onnx import TensorProto

from bentoml_ext.errors import ExportRefused
from bentoml_ext.export.graph.builder import GraphBuilder

__all__ = ["KINDS", "TEXT", "Block", "Table"]

TEXT: Final = np.dtype(object)
"""Kind of a block of texts."""

KINDS: Final[dict[np.dtype[Any], int]] = {
    np.dtype(np.float32): TensorProto.FLOAT,
    np.dtype(np.float64): TensorProto.DOUBLE,
    np.dtype(np.int64): TensorProto.INT64,
    np.dtype(np.bool_): TensorProto.BOOL,
    TEXT: TensorProto.STRING,
}
"""ONNX's type of each kind of column that a pipeline may have."""


@dataclass(frozen=True)
class Block:
    """Columns of one kind side by side.

    Args:
        name: of a tensor, (n, width).
        kind: one of `KINDS`.
        width: columns.
    """

    name: str
    kind: np.dtype[Any]
    width: int = 1

    def cast(self, ops: GraphBuilder, kind: np.dtype[Any]) -> Block:
        """The same numbers in another kind."""
        if kind == self.kind:
            return self
        return Block(ops.cast(self.name, KINDS[kind]), kind, self.width)

    def columns(self, ops: GraphBuilder, at: Sequence[int]) -> Block:
        """Some of the columns, in that order."""
        if list(at) == list(range(self.width)):
            return self
        name = ops.add("Gather", self.name, ops.constant(list(at), np.int64), axis=1)
        return Block(name, self.kind, len(at))


@dataclass(frozen=True)
class Table:
    """Blocks side by side.

    Args:
        blocks: from left to right.
        sparse: whether scikit-learn keeps it as a sparse matrix, whose zeros XGBoost takes for
            missing.
    """

    blocks: tuple[Block, ...]
    sparse: bool = False

    @property
    def width(self) -> int:
        """Columns."""
        return sum(block.width for block in self.blocks)

    def select(self, ops: GraphBuilder, at: Sequence[int]) -> Table:
        """Some of the columns, in that order."""
        owner = [(block, i) for block in self.blocks for i in range(block.width)]
        chosen = [owner[i] for i in at]
        blocks: list[Block] = []
        start = 0
        for end in range(1, len(chosen) + 1):
            if end == len(chosen) or chosen[end][0] is not chosen[start][0]:
                blocks.append(chosen[start][0].columns(ops, [i for _, i in chosen[start:end]]))
                start = end
        return Table(tuple(blocks))

    def numbers(self, ops: GraphBuilder, place: str) -> Block:
        """All columns as one block of float32 or float64, as scikit-learn would make of them.

        Raises:
            ExportRefused: there are texts among them; `place` names the step.
        """
        kind = np.result_type(*(block.kind for block in self.blocks))
        if kind == TEXT:
            raise ExportRefused(f"Expected numbers, got texts - at {place}.")
        floats = kind if kind in (np.float32, np.float64) else np.dtype(np.float64)
        cast = [block.cast(ops, floats) for block in self.blocks]
        if len(cast) == 1:
            return cast[0]
        return Block(ops.add("Concat", *(b.name for b in cast), axis=1), floats, self.width)
