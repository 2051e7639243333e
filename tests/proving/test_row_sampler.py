"""Rows of a proof: in bounded blocks, however wide a model is."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pytest
import xgboost as xgb
from scipy import sparse  # type: ignore[import-untyped]

from bentoml_ext.arrays import Rows
from bentoml_ext.boosters.ensemble import Ensemble, Trees
from bentoml_ext.boosters.xgb.reader import read_ensemble
from bentoml_ext.proving.row_sampler import BATCHES, Sampler, block_rows

MB = 1 << 20


def wide(columns: int) -> Ensemble:
    """A model that splits on many of its columns, which hold 0 and 1."""
    random = np.random.default_rng(0)
    n = 3000
    city = random.integers(0, columns, n)
    cells = (np.ones(n, np.float32), (np.arange(n), city))
    rows = sparse.csr_matrix(cells, shape=(n, columns))
    label = random.normal(size=columns)[city] > 0
    params = {"objective": "binary:logistic", "max_depth": 8, "min_child_weight": 0, "nthread": 1}
    return read_ensemble(xgb.train(params, xgb.DMatrix(rows, label=label), 20))


@pytest.mark.slow
@pytest.mark.parametrize("part", ["boundary", "extremes", "random"])
def test_a_proof_of_a_wide_model_takes_bounded_cells(part: str) -> None:
    sampler = Sampler(wide(20_000))
    batches: dict[str, Iterable[Rows]] = {
        "boundary": sampler.boundary(),
        "extremes": sampler.extremes(),
        "random": sampler.random_rows(100_000),
    }
    cells = [batch.size for batch in batches[part]]

    assert len(cells) > 1
    assert max(cells) * 4 <= 90 * MB
    assert sum(cells) <= 110_000_000


def test_a_narrow_model_is_asked_as_many_rows_as_are_wanted() -> None:
    sampler = Sampler(wide(29))

    assert sampler.count_random(100_000) == 100_000
    assert sum(map(len, sampler.random_rows(10_000))) == 10_000
    assert [len(batch) for batch in sampler.extremes()] == [30] * 10


def test_blocks_are_sized_by_cells() -> None:
    assert block_rows(29) == 8192
    assert block_rows(20_000) == 100
    assert block_rows(10_000_000) == 1
    assert max(BATCHES) <= 8192


def test_values_of_a_column_lie_on_its_thresholds_and_around_them() -> None:
    random = np.random.default_rng(1)
    rows = random.normal(size=(500, 3)).astype(np.float32)
    trained = xgb.train({"max_depth": 4}, xgb.DMatrix(rows, label=rows[:, 1] ** 2), 10)
    ensemble = read_ensemble(trained)
    trees = ensemble.model
    assert isinstance(trees, Trees)
    sampler = Sampler(ensemble)
    drawn = sampler.column(1, 4000)
    mine = trees.threshold[(trees.feature == 1) & ~trees.is_leaf]

    assert np.array_equal(sampler.known[1], np.unique(mine))
    assert 0.1 < np.isin(drawn, mine).mean() < 0.3
    assert drawn.min() < mine.min()
    assert drawn.max() > mine.max()
    assert np.isfinite(sampler.sensible(50)).all()
