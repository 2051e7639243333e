"""Damage: no file, however corrupt, leads the kernel out of its arrays; a sanitizer watches."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from benchmarks.making import CODES, train
from bentoml_ext.boosters.xgb.confirm import read
from bentoml_ext_simd.form import packed

SOURCES = Path(__file__).parents[1] / "src"
FLAGS = ["-std=c11", "-O1", "-g", "-ffp-contract=off", "-fno-sanitize-recover=all"]
COUNT = int(os.environ.get("FUZZ", "5000"))

MODELS: dict[str, dict[str, Any]] = {
    "binary": {"labels": "binary", "objective": "binary:logistic"},
    "deep": {"labels": "score", "max_depth": 9, "min_child_weight": 0},
    "codes": {"labels": "score", "rows": "codes", "how": CODES, "max_cat_to_onehot": 1},
    "vectors": {"labels": "three", "multi_strategy": "multi_output_tree"},
    "classes": {"labels": "classes", "objective": "multi:softprob", "num_class": 3},
}


@pytest.fixture(scope="module")
def fuzz(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """src/fuzz.c with AddressSanitizer and UBSan."""
    compiler = shutil.which(os.environ.get("CC", "cc"))
    assert compiler, "make simd needs a C compiler"
    program = tmp_path_factory.mktemp("fuzz") / "fuzz"
    sources = [str(path) for path in SOURCES.glob("*.c") if path.name != "module.c"]
    command = [compiler, *FLAGS, "-fsanitize=address,undefined", "-o", str(program), *sources]
    subprocess.run([*command, "-lm"], check=True)
    return program


@pytest.mark.parametrize("name", MODELS)
def test_no_damage_leads_out_of_the_arrays(
    fuzz: Path, tmp_path: Path, name: str, strategy: str
) -> None:
    path = tmp_path / "trees.simd"
    path.write_bytes(packed(read(train(**MODELS[name]))[1]))
    command = [str(fuzz), str(path), str(COUNT), "1", strategy]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)

    assert ran.returncode == 0, ran.stderr
    opened = int(ran.stdout.split()[0])
    assert COUNT // 20 < opened < COUNT, "a damage is either never or always noticed"
