"""Fixtures: a file of applications with their outcomes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Applications of `small.encoder` with the outcome that `small.booster` learns."""
    random = np.random.default_rng(3)
    age, income = random.normal(size=400), random.normal(size=400)
    path = tmp_path_factory.mktemp("data") / "june.parquet"
    homes = random.choice(["owner", "rent"], 400)
    table = pa.table({"age": age, "home": homes, "income": income, "bad": age + income > 0.2})
    pq.write_table(table, path)
    return path
