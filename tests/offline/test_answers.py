"""A portfolio in, the booster's own answers out, whatever the format."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

import bentoml_ext
from bentoml_ext.errors import BentoMLExtError
from bentoml_ext.offline.plan import ScoreRequest
from tests.offline.portfolios import (
    ROWS,
    TAG,
    WRITERS,
    assert_answers,
    read,
    scored,
    write_arrow,
    write_parquet,
)

pytestmark = pytest.mark.usefixtures("credit_model")

COLUMNS = ["id", "Status", "probability", "margin", "model"]


@pytest.mark.parametrize("suffix", WRITERS)
def test_every_format_is_read_and_written(
    suffix: str, portfolio: pa.Table, expected: list[Any], tmp_path: Path
) -> None:
    WRITERS[suffix](tmp_path / f"book.{suffix}", portfolio)

    summary = scored(ScoreRequest(str(tmp_path / f"book.{suffix}"), keep=("id",)))

    table = read(tmp_path / f"book.scored.{suffix}")
    assert table.schema.names == COLUMNS
    assert_answers(table, expected, range(ROWS))
    assert set(table["model"].to_pylist()) == {str(bentoml_ext.get(TAG).tag)}
    assert (summary.rows, summary.scored, summary.rejected) == (ROWS, ROWS, 0)


@pytest.mark.parametrize("backend", ["auto", "onnx", "xgboost"])
@pytest.mark.parametrize("workers", [1, 3])
def test_backends_and_workers_change_no_byte(
    backend: str, workers: int, portfolio: pa.Table, expected: list[Any], tmp_path: Path
) -> None:
    write_parquet(tmp_path / "book.parquet", portfolio)

    scored(ScoreRequest(str(tmp_path / "book.parquet"), keep=("id",)), backend, workers)

    assert_answers(read(tmp_path / "book.scored.parquet"), expected, range(ROWS))


def test_dictionary_columns_are_kept_as_values(portfolio: pa.Table, tmp_path: Path) -> None:
    place = portfolio.schema.get_field_index("note")
    coded = portfolio.set_column(place, "note", portfolio["note"].dictionary_encode())
    write_arrow(tmp_path / "book.arrow", coded.slice(0, 10))

    scored(ScoreRequest(str(tmp_path / "book.arrow"), keep=("note",)))

    assert read(tmp_path / "book.scored.arrow")["note"].to_pylist() == ["seen"] * 10


def test_an_empty_file_gives_an_empty_file(portfolio: pa.Table, tmp_path: Path) -> None:
    write_parquet(tmp_path / "book.parquet", portfolio.slice(0, 0))

    summary = scored(ScoreRequest(str(tmp_path / "book.parquet"), keep=("id",)))

    assert read(tmp_path / "book.scored.parquet").num_rows == summary.rows == 0


def test_lines_without_a_column_to_keep_have_null(portfolio: pa.Table, tmp_path: Path) -> None:
    rows = portfolio.slice(0, 3).to_pylist()
    del rows[1]["note"]
    (tmp_path / "book.ndjson").write_text("\n".join(map(json.dumps, rows)))

    scored(ScoreRequest(str(tmp_path / "book.ndjson"), keep=("note",)))

    assert read(tmp_path / "book.scored.ndjson")["note"].to_pylist() == ["seen", None, "seen"]


@pytest.mark.parametrize("last", [2.9, 2**70, "\ud800", "seven"])
def test_a_value_to_keep_is_kept_as_it_is_or_refused(
    last: Any, portfolio: pa.Table, tmp_path: Path
) -> None:
    rows = [row | {"note": 1} for row in portfolio.slice(0, 1200).to_pylist()]
    rows[-1]["note"] = last
    write_lines = "".join(json.dumps(row) + "\n" for row in rows)
    (tmp_path / "book.ndjson").write_text(write_lines)

    with pytest.raises(BentoMLExtError, match="column to keep, 'note'"):
        scored(ScoreRequest(str(tmp_path / "book.ndjson"), keep=("note",)))


def test_a_kept_number_keeps_its_fraction(portfolio: pa.Table, tmp_path: Path) -> None:
    rows = portfolio.slice(0, 1200).to_pylist()
    rows[-1]["age"] = 26.75
    (tmp_path / "book.ndjson").write_text("".join(json.dumps(row) + "\n" for row in rows))

    scored(ScoreRequest(str(tmp_path / "book.ndjson"), keep=("age",)))

    assert read(tmp_path / "book.scored.ndjson")["age"][-1].as_py() == 26.75
