"""The command as a process of its own: BentoML reads BENTOML_HOME when it is imported."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest
from click.testing import CliRunner

from models.train import train

ROOT = Path(__file__).parents[2]

Run: TypeAlias = Callable[..., "subprocess.CompletedProcess[str]"]


def python(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environ = os.environ | {"BENTOML_HOME": str(home)}
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Runs the command with an empty store."""
    return lambda *arguments: python(tmp_path, "-m", "models.train", *arguments)


@pytest.fixture(scope="module")
def filled_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store after one training run on generated applications."""
    home = tmp_path_factory.mktemp("bentoml")
    done = python(home, "-m", "models.train", "--rows", "1000")
    assert done.returncode == 0, done.stderr
    return home


def test_help_names_every_option(run: Run) -> None:
    done = run("--help")

    assert done.returncode == 0
    for option in ("--data", "--name", "--seed", "--rows", "--if-empty"):
        assert option in done.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--rows", "many"), "Invalid value for '--rows'"),
        (("--rows", "5"), "Invalid value for '--rows'"),
        (("--name", "Mein Modell"), "Invalid value for '--name'"),
        (("--data", "x.csv", "--seed", "3"), "--seed is for generated applications"),
        (("--data", "x.csv", "--rows", "300"), "--rows is for generated applications"),
    ],
)
def test_a_wrong_call_is_exit_code_2(arguments: tuple[str, ...], message: str) -> None:
    done = CliRunner().invoke(train, arguments)

    assert done.exit_code == 2
    assert message in done.stderr


def test_a_bad_file_is_one_line_and_exit_code_1(tmp_path: Path) -> None:
    bad = tmp_path / "bad.csv"
    bad.write_text("Status,Seniority\n1,2\n")
    # In this process, because a new one imports every training library first.
    done = CliRunner().invoke(train, ["--data", str(bad)])

    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr.startswith("Error: Expected a column 'home', got only 'status'")
    assert done.stderr.count("\n") == 1


def test_a_file_that_is_not_there_is_one_line_and_exit_code_1() -> None:
    done = CliRunner().invoke(train, ["--data", "nothing.csv"])

    assert done.exit_code == 1
    assert done.stderr.count("\n") == 1
    assert "nothing.csv" in done.stderr


def test_a_library_that_is_not_installed_is_named_with_its_extra(tmp_path: Path) -> None:
    code = "import sys; sys.modules['xgboost'] = None; from models.train import train; train()"
    done = python(tmp_path, "-c", code)

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "Error: Training needs xgboost. Install it with the 'train' extra.\n"


@pytest.mark.slow
def test_a_model_of_generated_applications_is_saved_and_scores(filled_home: Path) -> None:
    code = (
        "import bentoml_ext; from models.synthetic import generate;"
        "stored = bentoml_ext.get('credit_risk_model:latest');"
        "print(stored.info.module, stored.info.metadata['seed'], stored.info.metadata['rows']);"
        "scorers = [bentoml_ext.load_model(stored, name) for name in ('onnx', 'xgboost')];"
        "portfolio = generate(2000, seed=9, fields=scorers[0].encoder.fields).applications();"
        "onnx, native = (scorer.margins_of(portfolio) for scorer in scorers);"
        "print(onnx.tobytes() == native.tobytes(), len(set(native[:, 0].tolist())) > 500)"
    )
    done = python(filled_home, "-c", code)

    assert done.stdout.splitlines() == ["bentoml_ext 1 1000", "True True"], done.stderr


@pytest.mark.slow
def test_if_empty_trains_nothing_where_the_store_holds_the_model(filled_home: Path) -> None:
    code = (
        "import sys; from models.train import train;"
        "train(['--if-empty'], standalone_mode=False);"
        "print(sorted({'xgboost', 'sklearn', 'onnx', 'onnxruntime'} & set(sys.modules)))"
    )
    before = sorted(filled_home.rglob("*"))
    done = python(filled_home, "-c", code)

    assert done.returncode == 0, done.stderr
    told, heavy = done.stdout.splitlines()
    assert told.startswith("The store holds credit_risk_model:")
    assert heavy == "[]"
    assert sorted(filled_home.rglob("*")) == before


@pytest.mark.slow
def test_if_empty_trains_where_the_store_holds_another_name_only(filled_home: Path) -> None:
    done = python(
        filled_home, "-m", "models.train", "--if-empty", "--name", "other", "--rows", "500"
    )

    assert done.returncode == 0, done.stderr
    assert "Saved     other:" in done.stdout
    assert "bentoml ext inspect other:" in done.stdout


@pytest.mark.slow
def test_the_course_file_is_trained_saved_and_summed_up(run: Run, course_csv: Path) -> None:
    done = run("--data", str(course_csv))

    assert (done.returncode, done.stderr) == (0, "")
    assert "AUC       0.831 on the applications held out" in done.stdout
    assert "4 454 applications, 28.2% defaulted: 3 563 to train on, 891 held out" in done.stdout
    assert "DECLINED" in done.stdout
    assert "Saved     credit_risk_model:" in done.stdout
    assert done.stdout.rstrip().endswith("Next      bentoml serve")
