"""A file is read by this XGBoost as by the one that wrote it, or refused by name."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest
import xgboost as xgb

from benchmarks.comparison import boundary_rows, equal_share
from benchmarks.making import CODES, VERSION, objective, train
from bentoml_ext.boosters.xgb.document import version_of
from bentoml_ext.boosters.xgb.loading import load_booster
from bentoml_ext.boosters.xgb.reader import read_ensemble
from bentoml_ext.errors import ExportRefused
from tests.boosters.documents import Document, document_of, model_of, to_bytes, tree_of


def margins(booster: xgb.Booster) -> Any:
    rows = boundary_rows(read_ensemble(booster), finite=True)
    return booster.predict(xgb.DMatrix(rows), output_margin=True, validate_features=False)


def made_by(version: list[int], document: Document) -> Document:
    return copy.deepcopy(document) | {"version": version}


@pytest.mark.parametrize("kind", ["json", "ubj"])
@pytest.mark.parametrize("booster", ["gbtree", "dart", "gblinear"])
def test_a_file_of_either_form_is_the_booster_that_wrote_it(kind: str, booster: str) -> None:
    trained = train("binary", objective="binary:logistic", booster=booster)

    loaded = load_booster(bytes(trained.save_raw(kind)))
    assert equal_share(margins(trained), margins(loaded)) == 1.0


def dart_of_34() -> tuple[xgb.Booster, Document]:
    """A dart booster, and its document as XGBoost 3.4 stores it: gbtree, with weights inside."""
    trained = train("score", booster="dart", rate_drop=0.5, seed=3, base_score=0.0)
    document = made_by([3, 4, 1], document_of(trained))
    gradient = document["learner"]["gradient_booster"]
    weights = gradient.get("weight_drop") or model_of(document)["weight_drop"]
    model = model_of(document) | {"weight_drop": weights}
    document["learner"]["gradient_booster"] = {"name": "gbtree", "model": model}
    return trained, document


def test_dart_of_a_newer_xgboost_is_the_same_model_or_refused_with_what_to_install() -> None:
    trained, document = dart_of_34()
    if VERSION >= (3, 4):
        loaded = load_booster(to_bytes(document))
        assert equal_share(margins(trained), margins(loaded)) == 1.0
        return

    with pytest.raises(ExportRefused, match=r"other trees .* Install 'xgboost>=3\.4\.1'"):
        load_booster(to_bytes(document))


def test_quantiles_that_the_maker_put_in_order_are_put_in_order_or_refused() -> None:
    trained = objective("reg:quantileerror", quantile_alpha=[0.1, 0.5, 0.9])
    data = to_bytes(made_by([3, 4, 0], document_of(trained)))
    if VERSION >= (3, 4):
        assert equal_share(margins(trained), margins(load_booster(data))) == 1.0
        return

    with pytest.raises(ExportRefused, match="other predictions of quantiles"):
        load_booster(data)


def test_base_scores_that_this_xgboost_takes_for_others_are_refused() -> None:
    document = document_of(train("binary", objective="binary:logistic", base_score=0.3))
    param = document["learner"]["learner_model_param"]
    param["base_score"] = "[3E-1]"
    data = to_bytes(made_by([3, 1, 0], document))
    if VERSION >= (3, 1):
        load_booster(data)
        return

    with pytest.raises(ExportRefused, match="other base scores"):
        load_booster(data)


def test_leaves_of_several_values_in_the_other_form_are_refused_before_they_crash() -> None:
    trained = train("three", objective="reg:squarederror", multi_strategy="multi_output_tree")
    document = document_of(trained)
    for tree in model_of(document)["trees"]:
        if VERSION >= (3, 2):
            del tree["leaf_weights"]
            tree["base_weights"] = [0.0] * 3 * len(tree["left_children"])
        else:
            tree["leaf_weights"] = [0.0] * 3
            tree["right_children"] = [max(child, 0) for child in tree["right_children"]]

    with pytest.raises(ExportRefused, match="leaves with a value for each target"):
        load_booster(to_bytes(document))


def test_an_untrained_model_of_another_version_is_refused() -> None:
    document = document_of(train("binary", objective="binary:logistic", rounds=0))

    with pytest.raises(ExportRefused, match="base margins of a model without trees"):
        load_booster(to_bytes(made_by([2, 0, 3], document)))


def test_bare_nan_of_older_files_is_read() -> None:
    trained = train("binary", rows="codes", how=CODES, max_cat_to_onehot=1)
    document = document_of(trained)
    for tree in model_of(document)["trees"]:
        for node, kind in enumerate(tree["split_type"]):
            if kind:
                tree["split_conditions"][node] = float("nan")
    data = to_bytes(document)

    assert b"NaN" in data
    if VERSION >= (3, 2):
        pytest.skip("this XGBoost reads no bare NaN itself")
    assert equal_share(margins(trained), margins(load_booster(data))) == 1.0


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"{}", b"nothing", b"\x80\x04", b"{" * 100_000])
def test_what_is_no_booster_is_refused(data: bytes) -> None:
    with pytest.raises(ExportRefused):
        load_booster(data)


Place = Callable[[Document], dict[str, Any]]
PLACES: dict[str, Place] = {
    "the document": lambda d: d,
    "learner": lambda d: d["learner"],
    "learner_model_param": lambda d: d["learner"]["learner_model_param"],
    "objective": lambda d: d["learner"]["objective"],
    "reg_loss_param": lambda d: d["learner"]["objective"]["reg_loss_param"],
    "gradient_booster": lambda d: d["learner"]["gradient_booster"],
    "model": model_of,
    "gbtree_model_param": lambda d: model_of(d)["gbtree_model_param"],
    "tree 1": lambda d: tree_of(d, 1),
    "tree_param of tree 1": lambda d: tree_of(d, 1)["tree_param"],
}


@pytest.mark.parametrize("place", PLACES)
def test_an_unknown_key_is_refused_by_name(place: str) -> None:
    document = document_of(train("binary", objective="binary:logistic"))
    PLACES[place](document)["leaf_scale"] = 2

    with pytest.raises(ExportRefused, match=f"got 'leaf_scale' - at {place}"):
        load_booster(to_bytes(document))


def test_attributes_of_a_user_are_no_unknown_keys() -> None:
    trained = train("binary", objective="binary:logistic")
    trained.set_attr(leaf_scale="2")

    assert load_booster(bytes(trained.save_raw("ubj"))).attr("leaf_scale") == "2"


@pytest.mark.parametrize(
    ("name", "value"),
    [("objective", "reg:new"), ("gradient_booster", "gbforest"), ("feature_types", "d")],
)
def test_an_unknown_value_is_refused_by_name(name: str, value: str) -> None:
    document = document_of(train("binary", objective="binary:logistic"))
    if name == "feature_types":
        document["learner"][name] = [value] * 5
    else:
        document["learner"][name]["name"] = value

    with pytest.raises(ExportRefused, match=f"'{value}' - at {name}"):
        load_booster(to_bytes(document))


def test_the_version_of_a_file_is_that_of_its_maker() -> None:
    document = json.loads(bytes(train("binary").save_raw("json")))

    assert ".".join(map(str, version_of(document))) == xgb.__version__
    assert version_of({}) == ()
