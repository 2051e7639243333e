"""Row blocks: a graph scores a few rows at a time, so that its memory has a bound."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
from onnx import TensorProto, helper

from bentoml_ext.export.graph.builder import GraphBuilder

__all__ = ["BLOCK", "in_blocks"]

BLOCK: Final = 50
"""Rows of a block at most.

Up to 50 rows ONNX Runtime's tree kernel stays on the thread that calls it. From 51 rows on each
thread holds 8 bytes for every row and every column: 12 KB a row at 175 trees and 8 threads.
The bits do not rest on this number.
"""


def in_blocks(
    ops: GraphBuilder,
    rows: str,
    width: int,
    score: Callable[[GraphBuilder, str], str],
    *,
    output: str | None = None,
) -> str:
    """Append the nodes that hand the rows to `score` block by block and join what comes back.

    Args:
        ops: the graph's nodes.
        rows: name of a float32 tensor, (n, n_features); any n.
        width: columns of what `score` gives.
        score: appends to the nodes of a block; from the name of float32 (m, n_features), m <=
            BLOCK, to that of float32 (m, width).
        output: name of the result; made up by default.

    Returns:
        The name of a float32 tensor, (n, width).
    """
    size = ops.add("Gather", ops.add("Shape", rows), ops.constant([0], np.int64))
    block = ops.inside()
    some = block.name("rows")
    scores = score(block, some)
    body = helper.make_graph(
        block.nodes,
        block.name("block"),
        [helper.make_tensor_value_info(some, TensorProto.FLOAT, [None, None])],
        [helper.make_tensor_value_info(scores, TensorProto.FLOAT, [None, width])],
        block.constants,
    )
    # The body reads its input alone: skl2onnx renames what is outside, and not inside.
    cut = ops.add("Gather", rows, _indices(ops, size), axis=0)
    blocks = ops.add("Scan", cut, body=body, num_scan_inputs=1)
    joined = ops.add("Reshape", blocks, ops.constant([-1, width], np.int64))
    # The last block repeats the last row where rows run out.
    return ops.add("Slice", joined, ops.constant([0], np.int64), size, output=output)


def _indices(ops: GraphBuilder, size: str) -> str:
    """int64, (blocks, m): the rows of each block; one empty block where there are no rows.

    Args:
        size: name of int64, (1,): the number of rows.
    """
    zero, one = ops.constant(0, np.int64), ops.constant(1, np.int64)
    n = ops.add("Squeeze", size)
    blocks = ops.add("Max", _ceiling(ops, n, ops.constant(BLOCK, np.int64), one), one)
    # Blocks of equal size: 51 rows are twice 26, and not 50 and 50.
    rows = _ceiling(ops, n, blocks, one)
    start = ops.add("Mul", ops.add("Range", zero, blocks, one), rows)
    column = ops.add("Unsqueeze", start, ops.constant([1], np.int64))
    index = ops.add("Add", column, ops.add("Range", zero, rows, one))
    return ops.add("Min", index, ops.add("Sub", n, one))


def _ceiling(ops: GraphBuilder, n: str, part: str, one: str) -> str:
    """How many parts hold n."""
    more = ops.add("Add", n, ops.add("Sub", part, one))
    return ops.add("Div", more, part)
