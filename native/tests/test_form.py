"""Form: what the file holds, what it refuses, and what the kernel takes for a file."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bentoml_ext.boosters.ensemble import ZERO_MISSING, Ensemble, Trees
from bentoml_ext.boosters.xgb.confirm import read
from bentoml_ext.errors import BackendError, ExportRefused
from bentoml_ext_simd.backend import STRATEGY, SimdBackend
from bentoml_ext_simd.form import TreesForm, packed
from bentoml_ext_simd.kernel import Forest
from bentoml_ext_simd.reading import TreesFile, check_same
from tests.support import small


def ensemble_with(**changes: Any) -> Ensemble:
    """The small model with other arrays."""
    ensemble = read(small.booster())[1]
    assert isinstance(ensemble.model, Trees)
    return dataclasses.replace(ensemble, model=dataclasses.replace(ensemble.model, **changes))


def trees_of(ensemble: Ensemble) -> Trees:
    assert isinstance(ensemble.model, Trees)
    return ensemble.model


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    """The small model's file."""
    path = tmp_path / TreesForm.filename
    path.write_bytes(TreesForm().write(small.booster()))
    return path


@pytest.mark.parametrize(
    ("number", "fault"),
    [
        ("thresholds", "thresholds"),
        ("split", "default directions"),
        ("tree_target", "target"),
        ("base", "base margin"),
    ],
)
def test_a_number_that_is_not_the_boosters_is_found(number: str, fault: str) -> None:
    ensemble = read(small.booster())[1]
    data = bytearray(packed(ensemble))
    file = TreesFile.of(data)
    inner = np.flatnonzero(file.split != 0xFFFFFFFF)
    getattr(file, number).view(np.uint32)[inner[0] if number == "split" else 0] ^= 1

    with pytest.raises(ExportRefused, match=fault):
        check_same(bytes(data), ensemble, trees_of(ensemble))


def test_every_leaf_is_compared_with_the_boosters() -> None:
    ensemble = read(small.booster())[1]
    trees = trees_of(ensemble)
    other = trees.leaf.copy()
    other[np.flatnonzero(trees.is_leaf)[-1]] += 1

    with pytest.raises(ExportRefused, match="leaves"):
        check_same(packed(ensemble), ensemble, dataclasses.replace(trees, leaf=other))


def test_weights_are_refused_by_name() -> None:
    with pytest.raises(ExportRefused, match="gblinear"):
        TreesForm().write(small.booster(booster="gblinear", verbosity=0))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"goes_left": "<="}, "split by <"),
        ({"missing": ZERO_MISSING}, "NaN alone to be missing"),
        ({"threshold": np.nan}, "numbers as thresholds"),
    ],
)
def test_splits_that_the_kernel_lacks_are_refused_by_name(
    change: dict[str, Any], words: str
) -> None:
    trees = trees_of(read(small.booster())[1])
    changes = {
        name: value if name == "goes_left" else np.full_like(getattr(trees, name), value)
        for name, value in change.items()
    }

    with pytest.raises(ExportRefused, match=words):
        packed(ensemble_with(**changes))


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        (0, "begins with BEXTTREE"),
        (8, "version 1"),
        (56, "checksum"),
        (200, "checksum"),
    ],
)
def test_a_damaged_file_is_refused_with_what_was_expected(
    stored: Path, at: int, expected: str
) -> None:
    data = bytearray(stored.read_bytes())
    data[at] ^= 1
    stored.write_bytes(data)

    with pytest.raises(BackendError, match=expected):
        SimdBackend(stored)


def test_a_short_file_is_refused(stored: Path) -> None:
    stored.write_bytes(stored.read_bytes()[:50])

    with pytest.raises(BackendError, match="BEXTTREE"):
        SimdBackend(stored)


def test_an_unknown_strategy_is_refused_by_name(
    stored: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(STRATEGY, "abacus")

    with pytest.raises(BackendError, match="scalar"):
        SimdBackend(stored)


@pytest.mark.parametrize(
    "rows",
    [
        np.zeros((2, 3), np.float32),
        np.zeros((2, 4), np.float64),
        np.zeros((4, 2), np.float32).T,
        np.zeros(4, np.float32),
    ],
)
def test_rows_of_another_kind_are_refused(stored: Path, rows: Any) -> None:
    with pytest.raises(BackendError, match="Expected rows for this forest"):
        SimdBackend(stored).margins(rows)


def test_a_call_keeps_its_arrays_and_its_forest(stored: Path) -> None:
    rows = small.rows(1)
    call = Forest(stored.read_bytes()).bind(rows, found := np.zeros((1, 1), np.float32))
    expected = SimdBackend(stored).margins(rows)
    del rows
    call()

    small.assert_same_bits(expected=expected, got=found)
