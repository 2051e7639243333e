"""The bulk benchmark: run for real on a few rows, and what it says of answers that are wrong."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmarks.portfolio.contestants import FLOOR, OURS, Contestant
from benchmarks.portfolio.figures import Figures
from benchmarks.portfolio.process import run
from benchmarks.portfolio.stage import Measured
from benchmarks.portfolio.truth import Truth
from tests.support.commands import ROOT, environment

ANSWERS = ("Status", "probability")
ROWS = 5


def truth() -> Truth:
    """Of five applications."""
    probability = np.linspace(0.1, 0.9, ROWS, dtype=np.float32)
    statuses = np.where(probability > 0.5, "DECLINED", "APPROVED")
    columns: dict[str, Any] = {"id": np.arange(ROWS), "Status": statuses}
    return Truth(Path(), {**columns, "probability": probability})


def differences(folder: Path, rows: int = ROWS, **changes: Any) -> str:
    """What is said of the true answers with other columns."""
    known = truth()
    pq.write_table(pa.table(known.columns | changes), folder / "decisions.parquet")
    return known.differences(folder / "decisions.parquet", ANSWERS, rows)


def measured(name: str, *totals: float, **more: Any) -> list[Measured]:
    """A round for each total."""
    return [Measured(name, 1000, total + 1, 100.0, {"total": total}, **more) for total in totals]


@pytest.mark.slow
def test_the_table_and_the_file_tell_of_every_contestant(tmp_path: Path) -> None:
    names = [FLOOR, OURS, "pandas, onnx"]
    only = [word for name in names for word in ("--only", name)]
    size = ["--rows", "3000", "--rounds", "1", "--json", str(tmp_path / "figures.json")]
    ran = subprocess.run(
        [sys.executable, "-m", "benchmarks.bulk", *size, *only],
        cwd=ROOT,
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    told = json.loads((tmp_path / "figures.json").read_bytes())

    assert ran.returncode == 0, ran.stderr
    assert all(f" {name} " in ran.stdout for name in names)
    assert sorted({run["name"] for run in told["runs"]}) == sorted(names)
    assert all(run["rows"] == 3000 and run["seconds"]["predict"] > 0 for run in told["runs"])
    # numpy's exponential is not XGBoost's.
    faults = {run["name"]: run["fault"] for run in told["runs"] if run["fault"]}
    assert [*faults] == ["pandas, onnx"]
    assert faults["pandas, onnx"].startswith("probability of ")


def test_the_same_answers_in_another_order_and_in_parts_are_the_same(tmp_path: Path) -> None:
    known = truth()
    table = pa.table(known.columns).take([3, 0, 4, 2, 1])
    for part in range(2):
        pq.write_table(table.slice(part * 3, 3), tmp_path / f"{part}.parquet")

    assert known.differences(tmp_path, ANSWERS, ROWS) == ""


def test_a_wrong_decision_is_told(tmp_path: Path) -> None:
    wrong = truth().columns["Status"].copy()
    wrong[2] = "MAYBE"

    assert differences(tmp_path, Status=wrong) == "Status of 1 rows"


def test_a_wrong_last_bit_is_told(tmp_path: Path) -> None:
    wrong = truth().columns["probability"].copy()
    wrong[1] = np.nextafter(wrong[1], np.float32(1))

    assert differences(tmp_path, probability=wrong) == "probability of 1 rows, by up to 1 ulp"


@pytest.mark.parametrize(
    ("rows", "changes", "told"),
    [
        (ROWS + 1, {}, "5 rows of 6"),
        (ROWS, {"id": np.arange(ROWS) + 1}, "other applications"),
        (ROWS, {"id": np.zeros(ROWS, int)}, "other applications"),
        (ROWS, {"probability": np.linspace(0.1, 0.9, ROWS)}, "probability is float64"),
    ],
)
def test_answers_to_something_else_are_told(
    tmp_path: Path, rows: int, changes: dict[str, Any], told: str
) -> None:
    assert differences(tmp_path, rows, **changes) == told


def test_a_missing_column_is_told(tmp_path: Path) -> None:
    known = truth()
    pq.write_table(pa.table(known.columns).drop(["Status"]), tmp_path / "decisions.parquet")

    assert known.differences(tmp_path, ANSWERS, ROWS) == "no Status"


def test_a_fault_of_one_round_is_in_the_notes() -> None:
    runs = measured("Spark", 2.0) + measured("Spark", 3.0, fault="Status of 1 rows")
    figures = Figures({"Spark": runs}, {"Ray Data": "no ray: pip install 'bentoml-ext[ray]'"}, {})

    assert figures.notes() == [
        "Ray Data: skipped, no ray: pip install 'bentoml-ext[ray]'",
        "Spark: Status of 1 rows",
    ]


def test_a_ratio_is_the_median_of_the_rounds() -> None:
    runs = {FLOOR: measured(FLOOR, 1.0, 2.0, 4.0)}
    runs[OURS] = measured(OURS, 1.25, 2.25, 6.0)

    [line] = Figures(runs, {}, {}).verdicts()

    assert line.endswith("1.25 (wanted at most 1.3; rounds 1.12, 1.25, 1.50)")


def test_a_library_that_is_not_there_is_told_with_its_extra() -> None:
    absent = Contestant("absent", "-", library="no_such_library", extra="spark")

    assert absent.missing() == "no no_such_library: pip install 'bentoml-ext[spark]'"


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="cores are given on Linux alone")
def test_a_program_has_one_core_one_thread_and_its_children_are_weighed(tmp_path: Path) -> None:
    hold = "held = b'1' * 150_000_000; import time; time.sleep(1)"
    code = (
        f"import os, subprocess, sys; {hold}; subprocess.run([sys.executable, '-c', {hold!r}]);"
        "print(os.sched_getaffinity(0), os.environ['OMP_NUM_THREADS']); sys.exit(3)"
    )
    core = min(os.sched_getaffinity(0))
    ran = run([sys.executable, "-c", code], {core}, tmp_path, tmp_path / "log", {})

    assert ran.output.split() == [f"{{{core}}}", "1"]
    assert ran.code == 3
    assert ran.wall_s > 2
    assert 300 < ran.peak_mb < 400
