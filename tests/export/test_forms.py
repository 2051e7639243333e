"""Forms: a package of another hand writes a file of its own and scores with it."""

from __future__ import annotations

from pathlib import Path

import pytest

import bentoml_ext
from bentoml_ext.backends.registry import GROUP as BACKENDS
from bentoml_ext.errors import ConfigError
from bentoml_ext.export.forms import GROUP as FORMS
from bentoml_ext.export.forms import written
from tests.support import packages, small

MODULE = """
import numpy as np
import xgboost
from bentoml_ext.backends import Backend

class JsonForm:
    filename = "model.json"

    def write(self, booster):
        return bytes(booster.save_raw("json"))

class Taken(JsonForm):
    filename = "graph.onnx"

class JsonBackend(Backend):
    name = "json"
    filename = "model.json"

    def __init__(self, path):
        self._booster = xgboost.Booster(model_file=str(path))

    def margins(self, rows):
        return self._booster.inplace_predict(rows, predict_type="margin")[:, None]

NO_FORM = dict
"""


def install(site: Path, forms: str, backends: str = "") -> None:
    """A package with these entry points."""
    points = f"[{FORMS}]\n{forms}\n[{BACKENDS}]\n{backends}\n"
    packages.install(site, "other_forms", MODULE, points)


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of packages on the path, which is forgotten after the test."""
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def test_a_form_of_another_package_is_stored_proven_and_scored_with(site: Path) -> None:
    install(site, "json = other_forms:JsonForm", "json = other_forms:JsonBackend")

    stored = bentoml_ext.save_model("forms_test", small.booster(), encoder=small.encoder())

    bundle, rows = bentoml_ext.load_bundle(stored), small.rows(50)
    assert "model.json" in bundle.manifest.files
    assert "json" in bundle.proof.summary().subjects
    small.assert_same_bits(
        expected=bentoml_ext.load_model(stored, "onnx").margins(rows),
        got=bentoml_ext.load_model(stored, "json").margins(rows),
    )


@pytest.mark.parametrize(
    ("form", "told"),
    [
        ("Taken", "got 'graph.onnx' again - at form Taken"),
        ("NO_FORM", "Expected a form with `filename` and `write`"),
    ],
)
def test_a_form_that_cannot_be_written_is_named(site: Path, form: str, told: str) -> None:
    install(site, f"odd = other_forms:{form}")

    with pytest.raises(ConfigError, match=told):
        written(small.booster())
