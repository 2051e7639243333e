"""What a command says of a wrong word names that word, and the way that works."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import bentoml
import pyarrow as pa
import pyarrow.csv
import pyarrow.feather
import pyarrow.parquet
import pytest
from click.testing import CliRunner, Result

from bentoml_ext.cli import ext
from models.synthetic import generate
from tests.cli.test_commands import refusal
from tests.offline.portfolios import TAG

pytestmark = pytest.mark.usefixtures("credit_model")


@pytest.fixture
def book(tmp_path: Path) -> Path:
    """Three applications as NDJSON."""
    path = tmp_path / "book.ndjson"
    path.write_text("".join(json.dumps(one) + "\n" for one in generate(3).applications()))
    return path


def called(*arguments: str | Path, **environ: str) -> Result:
    return CliRunner(env=environ).invoke(ext, list(map(str, arguments)), prog_name="bentoml ext")


def test_an_unknown_backend_of_score_is_named_at_its_option(book: Path) -> None:
    ended = called("score", TAG, book, "--backend", "foo")

    assert ended.exit_code == 2
    assert "'--backend': Expected one of auto, onnx, xgboost, got 'foo'." in ended.stderr
    assert "--arg" not in ended.stderr
    assert "BACKEND." not in ended.stderr


@pytest.mark.parametrize("backend", ["onnx", "xgboost"])
def test_settings_of_a_server_do_not_stop_a_command_that_names_its_backend(
    book: Path, backend: str
) -> None:
    wrong = {"BACKEND": "bad", "MAX_BULK_ROWS": "abc", "ACCESS_LOG": "?", "CROSSOVER": "bad"}

    ended = called("score", TAG, book, "--backend", backend, **wrong)

    assert ended.exit_code == 0, ended.stderr
    assert f"by {backend}" in ended.stdout


def test_a_wrong_crossover_stops_only_what_looks_at_it(book: Path) -> None:
    ended = called("score", TAG, book, CROSSOVER="bad", BACKEND="bad")

    assert "Expected NAME:ROWS,..., the rows rising from 1, got 'bad' - at CROSSOVER." in (
        refusal(ended)
    )


def test_every_verb_says_which_versions_there_are(credit_model: bentoml.Model) -> None:
    name = credit_model.tag.name
    for verb in (["inspect"], ["verify"], ["export"], ["import", "--name", "x"]):
        said = refusal(called(*verb, f"{name}:nope"))

        assert said.startswith("Expected a stored model, got only the versions ")
        assert str(credit_model.tag.version) in said
        assert f"at '{name}:nope' in " in said
        assert "`bentoml models list` shows what is stored." in said
        assert "pull" not in said


def test_a_name_in_capitals_is_the_same_name(credit_model: bentoml.Model) -> None:
    ended = called("inspect", str(credit_model.tag).upper())

    assert ended.exit_code == 0
    assert "Converting" not in ended.output


@pytest.mark.parametrize("name", ["README.md", "credit.onnx", "model", "Model.UBJX"])
def test_import_of_what_is_neither_file_nor_model_says_so_of_the_very_name(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    said = refusal(called("import", name, "--name", "x"))

    assert said == (
        f"Expected a booster's file or the tag of a stored model, got neither - at {name}. "
        "`bentoml models list` shows what is stored."
    )


@pytest.mark.parametrize(
    ("name", "data", "what"),
    [
        ("credit.onnx", b"\x08\x09\x12\x07x", "perhaps an ONNX file"),
        ("letters.onnx", b"\xe2\xa6\xff letters", "neither JSON nor UBJSON"),
        ("README.md", b"# Read me", "neither JSON nor UBJSON"),
        ("empty.ubj", b"", "neither JSON nor UBJSON"),
        ("book.csv", b"a,b\n1,2\n", "neither JSON nor UBJSON"),
        ("list.json", b"[1]", "no learner"),
    ],
)
def test_import_of_another_kind_of_file_says_what_is_wanted(
    tmp_path: Path, name: str, data: bytes, what: str
) -> None:
    (tmp_path / name).write_bytes(data)

    said = refusal(called("import", tmp_path / name, "--name", "x"))

    assert f"Expected a booster, got {what} - at {tmp_path / name}. " in said


def test_verify_of_a_file_that_is_none_says_so(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("# Read me")

    assert refusal(called("verify", tmp_path / "README.md")) == (
        f"Expected an ONNX file, got another - at {tmp_path / 'README.md'}. "
        "TARGET is an ONNX file or the tag of a stored model."
    )
    assert refusal(called("verify", tmp_path / "no.onnx")) == (
        f"Expected an ONNX file, got none - at {tmp_path / 'no.onnx'}."
    )


def test_answers_for_a_spreadsheet_are_csv(book: Path, tmp_path: Path) -> None:
    said = refusal(called("score", TAG, book, "-o", tmp_path / "x.xlsx"))

    assert "A spreadsheet opens CSV: `-o NAME.csv`." in said
    assert "is not a part" not in said


def test_a_spreadsheet_is_to_be_saved_as_csv(tmp_path: Path) -> None:
    (tmp_path / "book.xlsx").write_bytes(b"PK\x03\x04")

    assert refusal(called("score", TAG, tmp_path / "book.xlsx")).endswith(
        "Save the sheet as CSV UTF-8."
    )


@pytest.mark.parametrize("suffix", ["csv", "parquet", "arrow"])
def test_wrong_columns_are_told_without_a_row(tmp_path: Path, suffix: str) -> None:
    path, table = tmp_path / f"book.{suffix}", pa.table({"a": pa.array([], pa.int64())})
    writers = {
        "csv": pa.csv.write_csv,
        "parquet": pa.parquet.write_table,
        "arrow": pa.feather.write_feather,
    }
    writers[suffix](table, path)

    assert "got no columns of that name among a - at field 'seniority'" in (
        refusal(called("score", TAG, path))
    )
    assert [one.name for one in tmp_path.iterdir()] == [path.name]


def test_where_nothing_is_rejected_there_is_no_file_of_rejected_ones(book: Path) -> None:
    rejected = book.with_name("bad.ndjson")
    rejected.write_text("of an earlier run")

    ended = called("score", TAG, book, "--on-error", "reject", "--rejected", rejected)

    assert ended.exit_code == 0, ended.stderr
    assert sorted(one.name for one in book.parent.iterdir()) == [
        "book.ndjson",
        "book.scored.ndjson",
    ]


@pytest.mark.slow
def test_a_missing_library_is_installed_by_a_command_that_works_here() -> None:
    # The package is on no index: what is installed here tells its extras.
    pip = [sys.executable, "-m", "pip", "install", "--dry-run", "--no-index", "bentoml-ext[train]"]

    ended = subprocess.run(pip, capture_output=True, text=True, check=False)

    assert "No matching distribution found for bentoml-ext" not in ended.stderr
    assert "Requirement already satisfied: bentoml-ext" in ended.stdout


@pytest.mark.parametrize(
    ("words", "place"),
    [
        (["score", TAG, ""], "INPUT"),
        (["score", TAG, "{book}", "-o", ""], "-o"),
        (["score", TAG, "{book}", "--on-error", "reject", "--rejected", ""], "--rejected"),
    ],
)
def test_an_empty_name_is_not_this_folder(book: Path, words: list[str], place: str) -> None:
    said = refusal(called(*(word.format(book=book) for word in words)))

    assert said == f"Expected a file or folder, got an empty name - at {place}."


def test_an_export_without_a_name_is_refused() -> None:
    assert "Expected a file, got an empty name." in called("export", TAG, "-o", "").output


def test_a_circle_of_links_is_refused_in_its_name(book: Path, tmp_path: Path) -> None:
    loop = tmp_path / "loop.csv"
    loop.symlink_to(loop)

    assert str(loop) in refusal(called("score", TAG, book, "-o", loop))
