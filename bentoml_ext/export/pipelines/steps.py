"""Steps: scikit-learn's steps ahead of an estimator of XGBoost, as operators of one graph."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import Pipeline

from bentoml_ext.errors import ExportRefused
from bentoml_ext.export.graph.builder import GraphBuilder
from bentoml_ext.export.pipelines.categories import one_hot, ordinal
from bentoml_ext.export.pipelines.numbers import SCALERS, imputed, scaled
from bentoml_ext.export.pipelines.reading import check_step, is_passed_through, parts_of
from bentoml_ext.export.pipelines.tables import KINDS, Table

__all__ = ["KNOWN", "add_steps", "rows_of"]

KNOWN = (*SCALERS, "SimpleImputer", "OneHotEncoder", "OrdinalEncoder", "ColumnTransformer")
"""Classes of scikit-learn that are exported, besides passthrough and nested pipelines."""


def add_steps(ops: GraphBuilder, table: Table, pipeline: Pipeline, place: str = "") -> Table:
    """Append the nodes of every step of a pipeline but an estimator of XGBoost at its end.

    Args:
        ops: the graph's nodes.
        table: what the pipeline is handed.
        pipeline: fitted.
        place: where it stands in another, as "columns/numbers/".

    Raises:
        ExportRefused: a step whose exact form is not known, by name.
    """
    for name, step in pipeline.steps:
        if type(step).__module__.startswith("xgboost."):
            continue
        table = _step(ops, table, step, f"{place}{name}")
    return table


def rows_of(ops: GraphBuilder, table: Table) -> str:
    """The name of float32, (n, n_features): the table as XGBoost reads it, NaN for missing."""
    block = table.numbers(ops, "the estimator").cast(ops, np.dtype(np.float32))
    if not table.sparse:
        return block.name
    # For XGBoost an entry that a sparse matrix does not hold is missing, not 0.
    zero = ops.add("Equal", block.name, ops.constant(0, np.float32))
    return ops.add("Where", zero, ops.constant(np.nan, np.float32), block.name)


def _step(ops: GraphBuilder, table: Table, step: Any, place: str) -> Table:
    if is_passed_through(step):
        return table
    check_step(step, KNOWN, place, sparse=table.sparse)
    if isinstance(step, Pipeline):
        return add_steps(ops, table, step, f"{place}/")
    if isinstance(step, ColumnTransformer):
        return _side_by_side(ops, table, step, place)
    name, where = type(step).__name__, f"step '{place}'"
    if name in ("OneHotEncoder", "OrdinalEncoder"):
        return (one_hot if name == "OneHotEncoder" else ordinal)(ops, table, step, where)
    block = table.numbers(ops, where)
    block = (imputed if name == "SimpleImputer" else scaled)(ops, block, step, where)
    return Table((block,))


def _side_by_side(ops: GraphBuilder, table: Table, step: ColumnTransformer, place: str) -> Table:
    blocks = []
    for name, transformer, at in parts_of(step, place):
        made = _step(ops, table.select(ops, at), transformer, f"{place}/{name}")
        blocks += [block for block in made.blocks if block.width]
    if unknown := [str(block.kind) for block in blocks if block.kind not in KINDS]:
        raise ExportRefused(f"Expected numbers or texts, got {unknown} - at step '{place}'.")
    return Table(tuple(blocks), sparse=bool(step.sparse_output_))
