"""Rules that a user gives for the fields of a model: each counts, or is refused by name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import xgboost

from bentoml_ext.encoders.field import Field
from bentoml_ext.encoders.fields_file import read_fields
from bentoml_ext.encoders.reading import Reading
from bentoml_ext.errors import BentoMLExtError, ConfigError, FeatureMismatch
from bentoml_ext.importers.find import from_file
from tests.support.kept import applications, outcomes

MADE = applications()
FRAME = pd.DataFrame(MADE).astype({"job": "category"})
COLUMNS = pd.get_dummies(FRAME, columns=["home"], dtype=float)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A booster of two numbers, of dummies of `home`, and of XGBoost's own categories of `job`."""
    path = tmp_path_factory.mktemp("ruling") / "model.ubj"
    matrix = xgboost.DMatrix(COLUMNS, outcomes(MADE), enable_categorical=True)
    xgboost.train({"objective": "binary:logistic"}, matrix, 3).save_model(path)
    return path


def fields(file: Path, rules: Any, **said: Any) -> dict[str, Field]:
    """Fields of the model under rules that a file holds."""
    path = file.parent / "fields.json"
    path.write_text(json.dumps(rules))
    source = from_file(file, rules=read_fields(path))
    found = source.read(Reading(separator="_", **said)).encoder.fields
    return {field.name: field for field in found}


HOME: dict[str, Any] = {"home": {}}


def test_what_a_rule_leaves_out_is_as_the_options_say(file: Path) -> None:
    rules = {"age": {"unit": "years"}, "home": {"baseline": ["boat"]}}

    found = fields(file, rules, null="missing", unknown="zero")

    assert found["age"].unit == "years"
    assert found["age"].nullable
    assert found["age"].boolean
    assert found["home"].unknown == "zero"


def test_what_a_rule_says_goes_before_an_option(file: Path) -> None:
    rules = {"age": {"nullable": False}, "home": {"unknown": "refuse"}}

    found = fields(file, rules, null="missing", unknown="zero")

    assert not found["age"].nullable
    assert found["income"].nullable
    assert found["home"].unknown == "refuse"


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ({"incme": {"minimum": 0}}, "got one of 'incme' - at --fields. Is it 'income'?"),
        ({"age": {"codes": [1, 2]}}, "a rule for a number, got 'codes' - at field 'age'"),
        ({"age": {"categories": ["old"]}}, "a rule for a number, got 'categories'"),
        ({"age": {"baseline": ["old"]}}, "a rule for a number, got 'baseline'"),
        ({"age": {"unknown": "zero"}}, "a rule for a number, got 'unknown'"),
        ({"age": {"multiple": True}}, "a rule for a number, got 'multiple'"),
        ({"home": {"minimum": 3}}, "a category with columns of its own, got 'minimum'"),
        ({"home": {"sentinels": [9]}}, "a category with columns of its own, got 'sentinels'"),
        ({"home": {"categories": ["owner"]}}, "the model's own categories 'owner', 'parents'"),
        ({"job": {"baseline": ["none"]}}, "XGBoost's own categories, got 'baseline'"),
        ({"job": {"unknown": "zero"}}, "XGBoost's own categories, got 'unknown'"),
    ],
    ids=str,
)
def test_a_rule_that_cannot_count_is_refused(file: Path, rules: Any, message: str) -> None:
    with pytest.raises(FeatureMismatch, match=message):
        fields(file, HOME | rules)


def test_categories_in_another_order_than_their_codes_are_refused(file: Path) -> None:
    if not fields(file, HOME)["job"].categories:
        pytest.skip("this XGBoost keeps no texts of categories")

    with pytest.raises(FeatureMismatch, match="the model's own categories 'fixed', 'freelance'"):
        fields(file, HOME | {"job": {"categories": ["freelance", "fixed"]}})


def test_a_rule_for_a_field_whose_columns_nobody_parted_names_the_separator(file: Path) -> None:
    path = file.parent / "home.json"
    path.write_text('{"home": {"baseline": ["boat"]}}')

    with pytest.raises(FeatureMismatch, match=r"got one of 'home'.*--separator"):
        from_file(file, rules=read_fields(path)).read(Reading())


@pytest.mark.parametrize(
    ("rule", "message"),
    [({"minimum": 10, "maximum": 5}, "a minimum below the maximum, got 10 and 5 - at field 'age'")],
)
def test_a_range_without_a_number_is_refused(tmp_path: Path, rule: Any, message: str) -> None:
    path = tmp_path / "fields.json"
    path.write_text(json.dumps({"age": rule}))

    with pytest.raises(ConfigError, match=message):
        read_fields(path)


def test_an_empty_separator_is_refused(file: Path) -> None:
    with pytest.raises(BentoMLExtError, match="Expected a separator, got an empty text"):
        from_file(file).read(Reading(separator=""))
