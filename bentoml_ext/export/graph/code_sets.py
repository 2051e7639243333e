"""Code sets: splits by many codes become columns that a table looks up, in place of long chains.

A chain asks for one code after the other, 1 000 times for 1 000 codes. ONNX Runtime spreads out the
standard's own set membership in the same way. A table is asked once a row for all sets together.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt
from onnx import TensorProto

from bentoml_ext.boosters.ensemble import Floats, Ints, Trees
from bentoml_ext.export.graph.builder import GraphBuilder

__all__ = ["TABLE", "CodeSets", "add_columns", "comparisons", "spread"]

TABLE: Final = "codes_of_feature"
"""Begins the name of each table: then come the feature and the first of its columns."""

# About as many comparisons as the table's own operators take: 8 us.
_WORTH: Final = 3_000
_MOST_SETS: Final = 4_096
_MOST_CELLS: Final = 16_000_000


@dataclass(frozen=True, eq=False)
class CodeSets:
    """Trees without codes, and the columns that stand for them.

    Args:
        trees: splits by codes ask whether their column is below 0.5, as it is where the code is not
            listed: that way is left.
        tables: by feature, float32, (codes + 2, sets): 1 for a listed code, 0 for another. The last
            row but one is 0, for a number that is not a code of the table; the last row is NaN.
        first: by feature, the number of its first column.
    """

    trees: Trees
    tables: dict[int, Floats]
    first: dict[int, int]


def comparisons(trees: Trees) -> float:
    """How many codes a row is compared with where splits by codes are chains, about."""
    if not trees.categorical.any():
        return 0.0
    share = _visited(trees)
    listed = np.diff(trees.first_code)
    # A code that is listed ends the chain half way.
    return float((share * listed)[trees.categorical].sum() * 0.75)


def spread(trees: Trees, n_features: int) -> CodeSets | None:
    """The trees with a column for each set of codes; None where chains are as quick, or smaller."""
    if comparisons(trees) < _WORTH:
        return None
    nodes = np.flatnonzero(trees.categorical)
    feature = trees.feature.copy()
    tables, first, column = {}, {}, n_features
    for one in np.unique(trees.feature[nodes]).tolist():
        mine = nodes[trees.feature[nodes] == one]
        listed = [trees.codes[trees.first_code[i] : trees.first_code[i + 1]] for i in mine]
        sets: dict[bytes, int] = {}
        number = np.array([sets.setdefault(codes.tobytes(), len(sets)) for codes in listed])
        size = int(max((codes.max(initial=-1) for codes in listed), default=-1)) + 1
        if len(sets) > _MOST_SETS or (size + 2) * len(sets) > _MOST_CELLS:
            return None
        table = np.zeros((size + 2, len(sets)), np.float32)
        for codes, at in zip(listed, number, strict=True):
            table[codes, at] = 1
        table[-1] = np.nan
        tables[one], first[one] = table, column
        feature[mine] = column + number
        column += len(sets)
    if column - n_features > _MOST_SETS:
        return None
    none = np.zeros_like(trees.categorical)
    return CodeSets(
        replace(
            trees,
            feature=feature,
            threshold=np.where(trees.categorical, np.float32(0.5), trees.threshold),
            categorical=none,
            first_code=np.zeros_like(trees.first_code),
            codes=trees.codes[:0],
        ),
        tables,
        first,
    )


def add_columns(ops: GraphBuilder, rows: str, sets: CodeSets) -> str:
    """Append the nodes that put the columns of the sets behind those of the rows.

    Args:
        ops: the graph's nodes.
        rows: name of a float32 tensor, (n, n_features), NaN for missing.
        sets: from `spread`.

    Returns:
        The name of a float32 tensor, (n, n_features and a column for each set).
    """
    parts = [rows]
    for feature, table in sets.tables.items():
        codes = len(table) - 2
        value = ops.add("Gather", rows, ops.constant(feature, np.int64), axis=1)
        zero, end, gap = (ops.constant(at, np.float32) for at in (0, codes, codes + 1))
        known = ops.add("And", ops.add("GreaterOrEqual", value, zero), ops.add("Less", value, end))
        row = ops.add("Where", known, value, end)
        row = ops.add("Where", ops.add("IsNaN", value), gap, row)
        # Cut down to a whole number, as XGBoost does before it looks a code up.
        at = ops.cast(row, TensorProto.INT64)
        name = f"{TABLE}_{feature}_{sets.first[feature]}"
        parts.append(ops.add("Gather", ops.constant(table, name=name), at, axis=0))
    return ops.add("Concat", *parts, axis=1)


def _visited(trees: Trees) -> npt.NDArray[np.float64]:
    """(n_nodes,): the share of rows that reach each node, if each split halves them."""
    share = np.zeros(len(trees.left))
    level: Ints = trees.first[:-1]
    part = 1.0
    offset = trees.first[:-1][trees.tree_of_node]
    while len(level):
        share[level] = part
        inner = level[~trees.is_leaf[level]]
        level = np.concatenate([(trees.left + offset)[inner], (trees.right + offset)[inner]])
        part /= 2
    return share
