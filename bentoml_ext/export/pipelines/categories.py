"""Categories: scikit-learn's OneHotEncoder and OrdinalEncoder as ONNX operators.

Where the encoder raises on a value that it does not know, the graph does not run: ONNX Runtime
answers with an error about an index out of bounds.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from bentoml_ext.errors import ExportRefused
from bentoml_ext.export.graph.builder import GraphBuilder
from bentoml_ext.export.pipelines.tables import KINDS, TEXT, Block, Table

__all__ = ["one_hot", "ordinal"]

_FLOAT32 = np.dtype(np.float32)


def one_hot(ops: GraphBuilder, table: Table, step: Any, place: str) -> Table:
    """The output of a fitted OneHotEncoder for these columns."""
    blocks = []
    ignores = step.handle_unknown in ("ignore", "warn")
    if not ignores and step.handle_unknown != "error":
        raise ExportRefused(
            f"Expected handle_unknown 'error' or 'ignore', got '{step.handle_unknown}' "
            f"- at {place}."
        )
    if getattr(step, "min_frequency", None) or getattr(step, "max_categories", None):
        raise ExportRefused(f"Expected every category to have a column - at {place}.")
    dropped = getattr(step, "drop_idx_", None)
    for i, categories in enumerate(step.categories_):
        hits = _hits(ops, table.select(ops, [i]).blocks[0], categories, place)
        if not ignores:
            hits = ops.add("Mul", hits, _guard(ops, hits, len(categories)))
        drop = None if dropped is None else dropped[i]
        kept = [at for at in range(len(categories)) if at != drop]
        blocks.append(Block(hits, _FLOAT32, len(categories)).columns(ops, kept))
    kind = np.dtype(step.dtype)
    if kind not in (np.float32, np.float64):
        raise ExportRefused(f"Expected dtype float32 or float64, got {kind} - at {place}.")
    cast = tuple(block.cast(ops, kind) for block in blocks if block.width)
    return Table(cast, sparse=bool(step.sparse_output))


def ordinal(ops: GraphBuilder, table: Table, step: Any, place: str) -> Table:
    """The output of a fitted OrdinalEncoder for these columns."""
    if getattr(step, "min_frequency", None) or getattr(step, "max_categories", None):
        raise ExportRefused(f"Expected every category to have a code - at {place}.")
    kind = np.dtype(step.dtype)
    if kind not in (np.float32, np.float64):
        raise ExportRefused(f"Expected dtype float32 or float64, got {kind} - at {place}.")
    blocks = []
    for i, categories in enumerate(step.categories_):
        hits = _hits(ops, table.select(ops, [i]).blocks[0], categories, place)
        codes = np.arange(len(categories), dtype=np.float32)
        code = ops.add("MatMul", hits, ops.constant(codes[:, None]))
        known = ops.add("MatMul", hits, ops.constant(np.ones((len(categories), 1), np.float32)))
        if step.handle_unknown == "error":
            code = ops.add("Mul", code, _guard(ops, hits, len(categories)))
        else:
            is_known = ops.add("Greater", known, ops.constant(0, np.float32))
            unknown = ops.constant(step.unknown_value, np.float32)
            code = ops.add("Where", is_known, code, unknown)
        if _is_nan(categories[-1]):
            missing = ops.add("Equal", code, ops.constant(len(categories) - 1, np.float32))
            value = ops.constant(step.encoded_missing_value, np.float32)
            code = ops.add("Where", missing, value, code)
        blocks.append(Block(code, _FLOAT32).cast(ops, kind))
    return Table(tuple(blocks))


def _hits(ops: GraphBuilder, column: Block, categories: Any, place: str) -> str:
    """float32, (n, n_categories): 1 where the value is the category, otherwise 0."""
    if column.kind == TEXT:
        if not all(isinstance(one, str) for one in categories):
            raise ExportRefused(
                f"Expected categories that are texts, got {[*categories][-3:]} - at {place}. "
                "A text in ONNX is never missing: fill it in before the pipeline."
            )
        code = ops.add(
            "LabelEncoder",
            column.name,
            domain="ai.onnx.ml",
            keys_strings=[*map(str, categories)],
            values_int64s=np.arange(len(categories)),
            default_int64=-1,
        )
        known = ops.constant(np.arange(len(categories))[None, :], np.int64)
        return ops.cast(ops.add("Equal", code, known), KINDS[_FLOAT32])
    kind = np.dtype(np.float64) if column.kind == np.bool_ else column.kind
    values = np.asarray(categories)
    if not np.can_cast(values.dtype, np.float64):
        raise ExportRefused(f"Expected categories that are numbers - at {place}.")
    same = ops.add("Equal", column.cast(ops, kind).name, ops.constant(values[None, :], kind))
    if _is_nan(categories[-1]) and kind != np.int64:
        last = ops.constant(np.arange(len(values))[None, :] == len(values) - 1)
        both = ops.add("And", ops.add("IsNaN", column.cast(ops, kind).name), last)
        same = ops.add("Or", same, both)
    return ops.cast(same, KINDS[_FLOAT32])


def _guard(ops: GraphBuilder, hits: str, n_categories: int) -> str:
    """float32, (n, 1): 1 for each row, or an error of ONNX Runtime where a value is unknown."""
    ones = ops.constant(np.ones((n_categories, 1), np.float32))
    known = ops.add("Greater", ops.add("MatMul", hits, ones), ops.constant(0, np.float32))
    index = ops.cast(ops.add("Not", known), KINDS[np.dtype(np.int64)])
    return ops.add("Gather", ops.constant([1], np.float32), index, axis=0)


def _is_nan(value: Any) -> bool:
    return isinstance(value, float | np.floating) and bool(np.isnan(value))
