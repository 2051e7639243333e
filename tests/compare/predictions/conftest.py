"""Fixtures: versions that answer a value, an order and a class, and a file with their outcomes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import bentoml_ext
from tests.support import small
from tests.support.tasks import TASKS, booster_of

LABELS = ("ada", 'b "c"', "ünder")


@pytest.fixture(scope="package")
def tags() -> dict[str, tuple[str, str]]:
    """A good and a worse version of each task."""
    return {kind: (_stored(kind, 30), _stored(kind, 1)) for kind in ("regression", "classes")}


@pytest.fixture(scope="package")
def ranked_tags() -> tuple[str, str]:
    return _stored("ranking", 30), _stored("ranking", 1)


def _stored(kind: str, rounds: int) -> str:
    booster = booster_of(kind, rounds=rounds)
    name = f"predictions_{kind}_{rounds}"
    stored = bentoml_ext.save_model(
        name, booster, encoder=small.encoder(), policy=TASKS[kind].policy
    )
    return str(stored.tag)


@pytest.fixture(scope="package")
def predictions_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Applications of `small.encoder` with the outcomes that `TASKS` learn."""
    random = np.random.default_rng(5)
    age, income = random.normal(size=300), random.normal(size=300)
    number = age + income
    positive = np.abs(number) + 0.1
    classes = (positive * 3).astype(int) % 3
    table = pa.table(
        {
            "age": age,
            "home": random.choice(["owner", "rent"], 300),
            "income": income,
            "number": number,
            "label": [LABELS[place] for place in classes],
            "rank": (positive * 2).astype(int) % 4,
            "query": np.arange(300) // 10,
        }
    )
    path = tmp_path_factory.mktemp("predictions") / "june.parquet"
    pq.write_table(table, path)
    return path
