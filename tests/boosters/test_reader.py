"""The Ensemble says what XGBoost's own JSON says, and its sum is XGBoost's."""

from __future__ import annotations

import itertools
import json
from typing import Any

import numpy as np
import pytest
import xgboost as xgb

from benchmarks.comparison import boundary_rows, equal_share, run, session
from benchmarks.making import CODES, objective, train
from bentoml_ext.boosters import reference
from bentoml_ext.boosters.ensemble import Ensemble, Linear, Trees
from bentoml_ext.boosters.xgb import ubjson
from bentoml_ext.boosters.xgb.confirm import read
from bentoml_ext.boosters.xgb.reader import read_ensemble
from bentoml_ext.errors import ExportRefused
from bentoml_ext.export import to_onnx
from tests.boosters.documents import document_of, model_of, to_bytes


def stored(booster: xgb.Booster) -> dict[str, Any]:
    learner: dict[str, Any] = json.loads(bytes(booster.save_raw("json")))["learner"]
    return learner


def trees_of(ensemble: Ensemble) -> Trees:
    assert isinstance(ensemble.model, Trees)
    return ensemble.model


@pytest.mark.parametrize("name", ["binary:logistic", "multi:softprob", "count:poisson"])
def test_every_tree_is_that_of_the_json(name: str) -> None:
    booster = objective(name)
    model = stored(booster)["gradient_booster"]["model"]
    trees = trees_of(read_ensemble(booster))

    assert len(trees) == len(model["trees"])
    for tree, told, target in zip(trees, model["trees"], model["tree_info"], strict=True):
        inner = tree.left >= 0
        numbers = np.array(told["split_conditions"], np.float32)
        assert tree.target == target
        assert tree.left.tolist() == told["left_children"]
        assert tree.right.tolist() == told["right_children"]
        assert (tree.default_left == np.array(told["default_left"], bool))[inner].all()
        assert (tree.feature == told["split_indices"])[inner].all()
        assert equal_share(numbers[inner], tree.threshold[inner]) == 1.0
        assert equal_share(numbers[~inner], tree.leaf[~inner, 0]) == 1.0


def test_codes_of_a_node_are_those_of_the_json() -> None:
    booster = train("binary", rows="codes", how=CODES, max_cat_to_onehot=1)
    model = stored(booster)["gradient_booster"]["model"]

    for tree, told in zip(trees_of(read_ensemble(booster)), model["trees"], strict=True):
        assert sorted(tree.codes) == sorted(told["categories_nodes"])
        for node, start, size in zip(
            told["categories_nodes"],
            told["categories_segments"],
            told["categories_sizes"],
            strict=True,
        ):
            assert tree.codes[node].tolist() == told["categories"][start : start + size]


def test_ubjson_says_what_json_says() -> None:
    booster = train("classes", objective="multi:softprob", num_class=3, booster="dart")
    binary = ubjson.decode(bytes(booster.save_raw("ubj")))

    def same(one: Any, other: Any) -> bool:
        if isinstance(other, dict):
            return one.keys() == other.keys() and all(same(one[k], other[k]) for k in other)
        if isinstance(other, list) and other and isinstance(other[0], dict | list | str):
            return len(one) == len(other) and all(map(same, one, other))
        if isinstance(other, float | list):
            return np.array_equal(np.asarray(one, np.float32), np.asarray(other, np.float32))
        return bool(one == other)

    assert same(binary["learner"], stored(booster))


@pytest.mark.parametrize("end", [1, 10, 1000, -1])
def test_ubjson_cut_short_is_refused(end: int) -> None:
    whole = bytes(train("binary").save_raw("ubj"))

    with pytest.raises(ExportRefused, match="UBJSON"):
        ubjson.decode(whole[:end])


def test_ubjson_knows_every_type() -> None:
    document = b"{i\x01a[i\x01U\xffI\x01\x00l\x00\x01\x00\x00L" + bytes(7) + b"\x02]"
    document += b"i\x01b[TFZ]i\x01cC!i\x01dD" + np.array(0.1, ">f8").tobytes() + b"}"

    decoded = ubjson.decode(document)
    assert decoded == {
        "a": [1, 255, 256, 65536, 2],
        "b": [True, False, None],
        "c": "!",
        "d": 0.1,
    }


def test_nodes_that_pruning_left_behind_are_dropped() -> None:
    booster = train("score", tree_method="exact", max_depth=6)
    document = json.loads(bytes(booster.save_raw("json")))
    tree = document["learner"]["gradient_booster"]["model"]["trees"][0]
    # The root's left subtree becomes a leaf; its nodes stay in the file, reached by nobody.
    child = tree["left_children"][0]
    tree["left_children"][child] = tree["right_children"][child] = -1
    cut = xgb.Booster()
    cut.load_model(bytearray(json.dumps(document), "utf-8"))
    ensemble = read_ensemble(cut)
    rows = boundary_rows(ensemble, finite=True)

    assert len(trees_of(ensemble)[0].left) < len(tree["left_children"])
    margins = cut.predict(xgb.DMatrix(rows), output_margin=True)[:, None]
    assert equal_share(margins, reference.margins(ensemble, rows)) == 1.0


def test_dart_has_two_sums_and_each_can_be_read() -> None:
    booster = train("score", booster="dart", rate_drop=0.5, seed=3)
    by_matrix, in_place = read_ensemble(booster), read_ensemble(booster, inplace=True)
    rows = boundary_rows(by_matrix, finite=True)
    inplace = booster.inplace_predict(rows, predict_type="margin")[:, None]
    matrix = booster.predict(xgb.DMatrix(rows), output_margin=True)[:, None]

    assert equal_share(matrix, reference.margins(by_matrix, rows)) == 1.0
    assert equal_share(inplace, reference.margins(in_place, rows)) == 1.0
    assert equal_share(inplace, matrix) < 1.0


@pytest.mark.parametrize("weight", [1.0, -1.0])
@pytest.mark.parametrize("leaves", list(itertools.product((0.0, -0.0), repeat=3)))
@pytest.mark.parametrize("base", [0.0, -0.0])
def test_zeros_of_dart_keep_the_sign_that_xgboost_gives_them(
    base: float, leaves: tuple[float, ...], weight: float
) -> None:
    document = document_of(train("score", rounds=3, booster="dart", base_score=base))
    learner, model = document["learner"], model_of(document)
    for tree, leaf in zip(model["trees"], leaves, strict=True):
        numbers = zip(tree["left_children"], tree["split_conditions"], strict=True)
        tree["split_conditions"] = [leaf if left < 0 else place for left, place in numbers]
    holder = model if "weight_drop" in model else learner["gradient_booster"]
    holder["weight_drop"] = [weight] * 3
    booster = xgb.Booster(model_file=bytearray(to_bytes(document)))
    rows = np.zeros((5, int(learner["learner_model_param"]["num_feature"])), np.float32)

    _, ensemble = read(booster)

    margins = booster.predict(xgb.DMatrix(rows), output_margin=True)[:, None]
    assert equal_share(margins, reference.margins(ensemble, rows)) == 1.0
    outputs = run(session(to_onnx(booster)), rows, batch=5)
    assert equal_share(margins, outputs["margin"]) == 1.0


def test_a_linear_booster_has_weights_and_no_trees() -> None:
    ensemble = read_ensemble(train("three", booster="gblinear"))

    assert isinstance(ensemble.model, Linear)
    assert ensemble.model.weights.shape == (ensemble.n_features, 3)
    assert ensemble.kind == "gblinear"


def test_the_first_rounds_alone_can_be_read() -> None:
    booster = train("classes", objective="multi:softprob", num_class=3, num_parallel_tree=2)

    assert len(trees_of(read_ensemble(booster, rounds=2))) == 2 * 3 * 2
    with pytest.raises(ExportRefused, match="rounds"):
        read_ensemble(booster, rounds=99)


def test_there_is_no_tree_beyond_the_last() -> None:
    trees = trees_of(read_ensemble(train("binary", rounds=2)))

    for index in (-1, 2):
        with pytest.raises(IndexError, match="below 2"):
            trees[index]


def test_a_linear_booster_without_rounds_is_refused_with_a_way_out_that_works() -> None:
    booster = train("binary", objective="binary:logistic", booster="gblinear")
    document = json.loads(bytes(booster.save_raw("json")))
    weights = document["learner"]["gradient_booster"]["model"]
    # As XGBoost 1.0 to 1.5 wrote it; 3.1 then takes the weights for those of an untrained model.
    del weights["boosted_rounds"]
    old = xgb.Booster()
    old.load_model(bytearray(json.dumps(document), "utf-8"))

    with pytest.raises(ExportRefused, match=r"Install 'xgboost<3.1'.*\"boosted_rounds\": 1 beside"):
        read_ensemble(old)

    weights["boosted_rounds"] = 1
    mended = xgb.Booster()
    mended.load_model(bytearray(json.dumps(document), "utf-8"))
    expected, found = read_ensemble(booster), read_ensemble(mended)
    assert isinstance(expected.model, Linear)
    assert isinstance(found.model, Linear)
    assert found.base.tobytes() == expected.base.tobytes()
    assert found.model.weights.tobytes() == expected.model.weights.tobytes()
