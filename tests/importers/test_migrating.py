"""Migrating: an earlier release's bundle becomes a new version, with the same answers."""

from __future__ import annotations

import shutil
from pathlib import Path

import bentoml
import pytest
from click.testing import CliRunner

import bentoml_ext
from bentoml_ext.cli import ext
from bentoml_ext.errors import BundleError, ConfigError
from bentoml_ext.importers.migrating import FROM, migrate
from bentoml_ext.internals.store import model_store_path
from bentoml_ext.store.bundle import BOOSTER, POLICY
from bentoml_ext.store.models import get, load_bundle
from tests.store.test_formats import ANSWERS, STORED


@pytest.fixture
def stored(home: Path, tmp_path: Path) -> bentoml.Model:
    """A model that 0.1.0 stored, under a name of this test's own."""
    name = f"migrating_{tmp_path.name}".lower()
    folder = model_store_path() / name / "fixture"
    shutil.copytree(STORED, folder)
    described = folder / "model.yaml"
    described.write_text(described.read_text().replace("format_two", name))
    return get(f"{name}:fixture")


def test_a_migrated_model_answers_the_same_bytes_and_is_proven_anew(stored: bentoml.Model) -> None:
    new = migrate(stored)

    bundle, before = load_bundle(new), load_bundle(stored)
    scorer = bentoml_ext.load_model(new, "onnx")
    for body, application in ANSWERS.items():
        assert scorer.body(application) == body
    assert new.tag.name == stored.tag.name
    assert new.info.labels[FROM] == str(stored.tag)
    assert bundle.file(BOOSTER) == before.file(BOOSTER)
    assert "lines" in {part.name for part in bundle.proof.parts}
    assert "lines" not in {part.name for part in before.proof.parts}


def test_the_command_names_both_versions(stored: bentoml.Model) -> None:
    done = CliRunner().invoke(ext, ["migrate", str(stored.tag)], catch_exceptions=False)

    new = bentoml.models.get(f"{stored.tag.name}:latest")
    assert done.exit_code == 0
    assert f"Wrote {stored.tag} as {new.tag}, in format 3: 12 trees" in done.output
    assert "every bit equal" in done.output


def test_a_damaged_model_is_not_migrated(stored: bentoml.Model) -> None:
    (Path(stored.path) / POLICY).write_bytes(b"{}")

    with pytest.raises(BundleError, match="was changed or cut"):
        migrate(stored)

    assert [str(one.tag) for one in bentoml.models.list(stored.tag.name)] == [str(stored.tag)]


def test_a_form_that_no_package_writes_here_is_not_lost(
    stored: bentoml.Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    from bentoml_ext.export import forms

    monkeypatch.setattr(forms, "_registered", lambda: [forms.NativeBooster()])

    with pytest.raises(ConfigError, match=r"Expected a form that writes graph\.onnx, got none"):
        migrate(stored)
