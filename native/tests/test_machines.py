"""Machines: under sanitizers, and on ARM by qemu, every kind of model has the bits of XGBoost."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from programs import HERE, MACHINES, Program, built, scored

from benchmarks.comparison import boundary_rows
from benchmarks.variants import VARIANTS, Variant
from bentoml_ext.boosters.ensemble import Linear
from bentoml_ext.boosters.xgb.confirm import read
from bentoml_ext_simd.form import packed
from tests.support.small import assert_same_bits

ROWS = 139
"""Two blocks of 64 and a part of one, also of 32 and of 16."""


@pytest.fixture(scope="module", params=MACHINES)
def score(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Program:
    """tests/score.c for a processor."""
    machine = MACHINES[request.param]
    if machine.lacks:
        pytest.skip(f"{machine.lacks} is not installed: nothing is run on {request.param}")
    folder = tmp_path_factory.mktemp(request.param)
    # By qemu a sanitizer takes a second to start; test_damage.py has it watch there, too.
    return built(machine, HERE / "score.c", folder, watched=not machine.runner)


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda variant: variant.name)
def test_every_kind_of_model_has_the_bits_of_xgboost(
    score: Program, variant: Variant, tmp_path: Path
) -> None:
    source, ensemble = read(variant.make())
    if isinstance(ensemble.model, Linear):
        return
    data = packed(ensemble)
    rows = boundary_rows(ensemble, ROWS, finite=True)
    given = np.where(rows == source.missing, np.nan, rows).astype(np.float32)
    expected = source.margins(rows)

    for strategy in score.machine.strategies:
        found = scored(score, data, given, strategy, tmp_path)
        assert_same_bits(expected=np.concatenate([expected, expected]), got=found)
