"""Splits by many codes: a table in place of chains, with the same bits and the same proof."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import onnx
import pytest
import xgboost as xgb
from onnx import numpy_helper

from benchmarks.comparison import boundary_rows, equal_share, native_margins, run, session
from benchmarks.making import CODES, train
from bentoml_ext.boosters.ensemble import Ensemble, Trees
from bentoml_ext.boosters.xgb.confirm import read
from bentoml_ext.export import to_onnx
from bentoml_ext.export.graph.code_sets import TABLE, comparisons, spread
from bentoml_ext.proving.structure import compare_structure

MANY: dict[str, Any] = {
    "rows": "many codes",
    "how": CODES,
    "max_cat_to_onehot": 1,
    "max_cat_threshold": 300,
    "min_child_weight": 0,
    "rounds": 40,
    "max_depth": 5,
    "objective": "binary:logistic",
}


@functools.cache
def made() -> tuple[xgb.Booster, Ensemble]:
    booster = train("binary", **MANY)
    return booster, read(booster)[1]


def trees_of(ensemble: Ensemble) -> Trees:
    assert isinstance(ensemble.model, Trees)
    return ensemble.model


def tables(graph: onnx.GraphProto) -> list[onnx.TensorProto]:
    found = [one for one in graph.initializer if TABLE in one.name]
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("g"):
                found += tables(attribute.g)
    return found


@pytest.mark.parametrize("deterministic_threads", [True, False])
def test_many_codes_are_looked_up_and_not_asked_one_by_one(deterministic_threads: bool) -> None:
    booster, ensemble = made()
    graph = to_onnx(booster, deterministic_threads=deterministic_threads)

    assert len(tables(graph.graph)) == 2
    assert b"BRANCH_EQ" not in graph.SerializeToString()
    rows = boundary_rows(ensemble, 3000, finite=True)
    rows[::7, 0], rows[::5, 3] = -0.5, 1e9
    for batch in (1, 64, 1000):
        got = run(session(graph, threads=2 if deterministic_threads else 1), rows, batch=batch)[
            "margin"
        ]
        assert equal_share(native_margins(booster, rows, inplace=False), got) == 1.0
    odd = boundary_rows(ensemble, 500)
    got = run(session(graph), odd, batch=500)["margin"]
    assert equal_share(native_margins(booster, odd, inplace=True), got) == 1.0


def test_few_codes_stay_chains() -> None:
    booster = train("binary", rows="codes", how=CODES, max_cat_to_onehot=1)
    ensemble = read(booster)[1]

    assert spread(trees_of(ensemble), ensemble.n_features) is None
    assert not tables(to_onnx(booster).graph)


def test_comparisons_are_those_of_chains() -> None:
    _, many = made()
    few = read(train("binary", rows="codes", how=CODES, max_cat_to_onehot=1))[1]

    assert comparisons(trees_of(read(train("binary"))[1])) == 0
    assert 0 < comparisons(trees_of(few)) < 3000 < comparisons(trees_of(many))


@pytest.mark.parametrize("deterministic_threads", [True, False])
def test_the_structure_of_a_table_is_proven(deterministic_threads: bool) -> None:
    booster, ensemble = made()
    graph = to_onnx(booster, deterministic_threads=deterministic_threads)

    part = compare_structure(ensemble, graph)
    assert part.holds
    assert part.checked == len(trees_of(ensemble).left)


@pytest.mark.parametrize("change", ["a code more", "a code less", "another number", "no gap"])
def test_a_table_that_was_changed_is_another_structure(change: str) -> None:
    booster, ensemble = made()
    graph = to_onnx(booster, deterministic_threads=False)
    table = tables(graph.graph)[0]
    values = numpy_helper.to_array(table).copy()
    if change == "a code more":
        values[np.flatnonzero(values[:-2, 0] == 0)[0], 0] = 1
    elif change == "a code less":
        values[np.flatnonzero(values[:-2, 0] == 1)[0], 0] = 0
    elif change == "another number":
        values[0, 0] = 0.25
    else:
        values[-1] = 0
    table.CopyFrom(numpy_helper.from_array(values, table.name))

    assert not compare_structure(ensemble, graph).holds
