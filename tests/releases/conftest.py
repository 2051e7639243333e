"""Fixtures: a store of its own with three versions of a small model, and applications."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import bentoml
import numpy as np
import pytest

import bentoml_ext
from tests.support import small
from tests.support.homes import store_of

MODEL = "releases_test"


@pytest.fixture(scope="session")
def three(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with the versions v1, v2 and v3, the last a poor one."""
    home = tmp_path_factory.mktemp("three")
    with store_of(home):
        for version, seed, rounds in (("v1", 0, 12), ("v2", 1, 12), ("v3", 7, 1)):
            booster = small.booster(seed, rounds)
            bentoml_ext.save_model(f"{MODEL}:{version}", booster, encoder=small.encoder())
    return home


@pytest.fixture
def versions(three: Path, tmp_path: Path) -> Iterator[list[bentoml.Model]]:
    """The same in a home of the test's own, which is this process's for the test."""
    shutil.copytree(three / "models", tmp_path / "home" / "models")
    with store_of(tmp_path / "home"):
        yield [bentoml.models.get(f"{MODEL}:v{number}") for number in (1, 2, 3)]


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Applications of `small.encoder` with the outcome that `small.booster` learns."""
    random = np.random.default_rng(3)
    lines = ["age,home,income,bad"]
    for age, income in random.normal(size=(400, 2)):
        lines.append(f"{age},{random.choice(['owner', 'rent'])},{income},{int(age + income > 0.2)}")
    path = tmp_path_factory.mktemp("data") / "june.csv"
    path.write_text("\n".join(lines))
    return path
