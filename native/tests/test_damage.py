"""Damage: no file, however corrupt, leads the kernel out of its arrays; a sanitizer watches."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from programs import MACHINES, SOURCES, Program, built

from benchmarks.making import CODES, train
from bentoml_ext.boosters.xgb.confirm import read
from bentoml_ext_simd.form import packed

COUNT = int(os.environ.get("FUZZ", "5000"))

MODELS: dict[str, dict[str, Any]] = {
    "binary": {"labels": "binary", "objective": "binary:logistic"},
    "deep": {"labels": "score", "max_depth": 9, "min_child_weight": 0},
    "codes": {"labels": "score", "rows": "codes", "how": CODES, "max_cat_to_onehot": 1},
    "vectors": {"labels": "three", "multi_strategy": "multi_output_tree"},
    "classes": {"labels": "classes", "objective": "multi:softprob", "num_class": 3},
}


@pytest.fixture(scope="module", params=MACHINES)
def fuzz(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Program:
    """src/fuzz.c with AddressSanitizer and UBSan."""
    machine = MACHINES[request.param]
    if machine.lacks:
        pytest.skip(f"{machine.lacks} is not installed: nothing is run on {request.param}")
    return built(machine, SOURCES / "fuzz.c", tmp_path_factory.mktemp(request.param))


@pytest.mark.parametrize("name", MODELS)
def test_no_damage_leads_out_of_the_arrays(fuzz: Program, tmp_path: Path, name: str) -> None:
    path = tmp_path / "trees.simd"
    path.write_bytes(packed(read(train(**MODELS[name]))[1]))
    # qemu takes some thirty times as long.
    count = COUNT // 20 if fuzz.machine.runner else COUNT
    for strategy in fuzz.machine.strategies:
        ran = fuzz.run(path, count, 1, strategy)

        assert ran.returncode == 0, ran.stderr.decode()
        opened = int(ran.stdout.split()[0])
        assert count // 20 < opened < count, "a damage is either never or always noticed"
