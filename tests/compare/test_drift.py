"""Drift: one version on two files."""

from __future__ import annotations

import json
from pathlib import Path

import bentoml
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import bentoml_ext
from bentoml_ext.compare.ranking import separate
from tests.support import small
from tests.support.commands import ext_command


@pytest.fixture(scope="module")
def stored() -> bentoml.Model:
    return bentoml_ext.save_model("drift_test", small.booster(), encoder=small.encoder())


def written(path: Path, seed: int, shift: float = 0.0, rows: int = 500) -> Path:
    """Applications whose income is higher by `shift`."""
    random = np.random.default_rng(seed)
    age, income = random.normal(size=rows), random.normal(size=rows) + shift
    homes = random.choice(["owner", "rent"], rows)
    table = pa.table({"age": age, "home": homes, "income": income, "bad": age + income > 0.2})
    pq.write_table(table, path)
    return path


def test_a_field_that_moves_is_named(stored: bentoml.Model, tmp_path: Path) -> None:
    june, july = written(tmp_path / "june.parquet", 1), written(tmp_path / "july.parquet", 2, 1.5)
    path = tmp_path / "drift.json"

    ended = ext_command(
        *("compare", stored.tag.name, "--data", june, "--with-data", july),
        *("--outcome", "bad", "--json", path),
    )

    assert ended.returncode == 0
    assert "the score moves more than chance: PSI " in ended.stdout.splitlines()[0]
    assert "; 1 of 3 fields do, first income (" in ended.stdout.splitlines()[0]
    report = json.loads(path.read_bytes())
    assert (report["first"]["name"], report["second"]["name"]) == ("june.parquet", "july.parquet")
    assert report["field_shift"][0]["field"] == "income"
    assert report["data"]["rows"] == report["psi"]["n"] == 500


def test_two_samples_of_one_distribution_move_no_more_than_chance(
    stored: bentoml.Model, tmp_path: Path
) -> None:
    june, july = written(tmp_path / "june.parquet", 1), written(tmp_path / "july.parquet", 2, 0, 90)

    ended = ext_command("compare", stored.tag.name, "--data", june, "--with-data", july)

    first = ended.stdout.splitlines()[0]
    assert "the score moves no more than chance" in first
    assert first.endswith("; no field does.")
    assert "No outcome was named" in ended.stdout


def test_a_gate_of_drift_fails_by_name(stored: bentoml.Model, tmp_path: Path) -> None:
    june, july = written(tmp_path / "june.parquet", 1), written(tmp_path / "july.parquet", 2, 1.5)
    (tmp_path / "gates.toml").write_text("[psi]\nmax = 0.1\n")
    words = ("compare", stored.tag.name, "--data", june, "--with-data", july)

    ended = ext_command(*words, "--gates", tmp_path / "gates.toml")

    assert ended.returncode == 1
    assert "Gate psi of " in ended.stdout.splitlines()[-1]


def test_the_difference_of_two_files_is_wider_than_that_of_one() -> None:
    score = np.arange(40, dtype=np.float32)
    is_bad = np.arange(40) % 3 == 0

    found = separate(score, is_bad, score, is_bad)

    assert found is not None
    one, gap = found.auc.champion, found.auc.difference
    # Two independent files: the variances add.
    assert gap.high - gap.low == pytest.approx((one.high - one.low) * np.sqrt(2))
    assert separate(score, is_bad, score[:1], is_bad[:1]) is None


@pytest.mark.parametrize(
    "options", [["--with-data", "FILE"], ["--with-data", "FILE", "--data", "FILE", "--with", "x"]]
)
def test_wrong_words_are_refused(stored: bentoml.Model, tmp_path: Path, options: list[str]) -> None:
    file = written(tmp_path / "june.parquet", 1)
    given = [str(file) if one == "FILE" else one for one in options]

    assert ext_command("compare", stored.tag.name, *given).returncode == 2
