"""Forms: a package of another hand writes a file of its own and scores with it."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import bentoml_ext
from bentoml_ext.backends.registry import GROUP as BACKENDS
from bentoml_ext.cli import ext, render
from bentoml_ext.errors import BundleError, ConfigError, ExportRefused
from bentoml_ext.export.forms import GROUP as FORMS
from bentoml_ext.export.forms import FormLeftOut, written
from bentoml_ext.importers.migrating import migrate
from tests.support import packages, small

MODULE = """
import numpy as np
import xgboost
from bentoml_ext.backends import Backend
from bentoml_ext.errors import ExportRefused

class JsonForm:
    filename = "model.json"

    def write(self, booster):
        return bytes(booster.save_raw("json"))

class Choosy(JsonForm):
    def write(self, booster):
        raise ExportRefused("Expected a forest, got boosted trees - at the form model.json.")

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


def refuse(*_: Any) -> bytes:
    """What a later release of a form may do, where an earlier one wrote a file."""
    raise ExportRefused("Expected a forest, got boosted trees.")


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


def test_a_form_that_cannot_hold_a_model_is_left_out_by_name(
    site: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    install(site, "json = other_forms:Choosy", "json = other_forms:JsonBackend")
    reason = "Expected a forest, got boosted trees - at the form model.json."

    with pytest.warns(FormLeftOut, match=f"Stored without model.json: {reason}"):
        stored = bentoml_ext.save_model("forms_test", small.booster(), encoder=small.encoder())

    bundle = bentoml_ext.load_bundle(stored)
    assert bundle.manifest.left_out == {"model.json": reason}
    assert "model.json" not in bundle.manifest.files
    render.show(render.inspected(stored, bundle))
    assert f"Stored without model.json: {reason}" in capsys.readouterr().out
    bentoml_ext.load_model(stored, "auto").margins(small.rows(3))
    with pytest.raises(BundleError, match=f"stored without this form: {reason}"):
        bentoml_ext.load_model(stored, "json")


def test_an_import_says_which_form_is_left_out(site: Path, tmp_path: Path) -> None:
    install(site, "json = other_forms:Choosy")
    model = tmp_path / "model.ubj"
    small.booster().save_model(model)
    features = tmp_path / "features.txt"
    features.write_text("\n".join(small.encoder().features))

    ended = CliRunner().invoke(
        ext,
        ["import", "--name", "forms", str(model), "--features", str(features), "--null", "missing"],
    )

    assert ended.exit_code == 0, ended.output
    assert ended.output.count("without model.json: Expected a forest") == 1


def test_a_migration_loses_no_form(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(site, "json = other_forms:JsonForm", "json = other_forms:JsonBackend")
    stored = bentoml_ext.save_model("forms_test", small.booster(), encoder=small.encoder())
    monkeypatch.setattr(importlib.import_module("other_forms").JsonForm, "write", refuse)

    with (
        pytest.warns(FormLeftOut),
        pytest.raises(ConfigError, match=r"writes model.json, got none.* a forest"),
    ):
        migrate(stored)


def test_a_version_of_before_the_package_says_how_it_gets_the_form(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = bentoml_ext.save_model("forms_test", small.booster(), encoder=small.encoder())
    monkeypatch.syspath_prepend(tmp_path)
    install(tmp_path, "json = other_forms:JsonForm", "json = other_forms:JsonBackend")

    with pytest.raises(BundleError, match=r"got none - at .*`bentoml ext migrate TAG`"):
        bentoml_ext.load_model(stored, "json")
    bentoml_ext.load_model(migrate(stored), "json").margins(small.rows(3))


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
