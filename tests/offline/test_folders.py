"""A folder of parts in, a folder of answers out; what is there already stays."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from bentoml_ext.errors import ConfigError
from bentoml_ext.offline.plan import RECORD, ScoreRequest
from tests.offline.portfolios import (
    ROWS,
    all_parts,
    assert_answers,
    folder,
    scored,
    write_csv,
    write_parquet,
)

pytestmark = pytest.mark.usefixtures("credit_model")


def test_a_folder_of_parts_becomes_a_folder_of_answers(
    portfolio: pa.Table, expected: list[Any], tmp_path: Path
) -> None:
    source = folder(tmp_path, portfolio)

    summary = scored(ScoreRequest(str(source), keep=("id",), reject=True))

    output = tmp_path / "book.scored"
    assert_answers(all_parts(output), expected, range(ROWS))
    assert (summary.parts, summary.rows) == (4, ROWS)
    # Nothing was rejected.
    assert list((tmp_path / "book.scored.rejected").rglob("*.parquet")) == []


def test_resume_scores_only_what_is_missing_or_newer(
    portfolio: pa.Table, expected: list[Any], tmp_path: Path
) -> None:
    request = ScoreRequest(str(folder(tmp_path, portfolio)), keep=("id",), resume=True)
    scored(request)
    done = sorted((tmp_path / "book.scored").rglob("*.parquet"))
    done[1].unlink()
    os.utime(done[2], ns=(0, 0))
    before = {path: path.stat().st_mtime_ns for path in (done[0], done[3])}

    summary = scored(request)

    assert (summary.parts, summary.skipped, summary.rows) == (2, 2, ROWS // 2)
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert_answers(all_parts(tmp_path / "book.scored"), expected, range(ROWS))


def test_answers_of_another_request_are_not_added_to(portfolio: pa.Table, tmp_path: Path) -> None:
    source = folder(tmp_path, portfolio)
    scored(ScoreRequest(str(source)))

    with pytest.raises(ConfigError, match=r"Expected a new or an empty folder.*--resume"):
        scored(ScoreRequest(str(source)))
    with pytest.raises(ConfigError, match=rf"others - at .*{RECORD}"):
        scored(ScoreRequest(str(source), keep=("id",), resume=True))
    other = source.rename(tmp_path / "february")
    with pytest.raises(ConfigError, match=rf"others - at .*{RECORD}"):
        scored(ScoreRequest(str(other), str(tmp_path / "book.scored"), resume=True))


def test_no_file_of_a_folder_is_passed_over(portfolio: pa.Table, tmp_path: Path) -> None:
    source = folder(tmp_path, portfolio)
    (source / "part-9.csv.7z").touch()

    with pytest.raises(ConfigError, match=r"Expected --from FORMAT.*part-9\.csv\.7z"):
        scored(ScoreRequest(str(source)))


def test_answers_are_no_parts_of_their_source(portfolio: pa.Table, tmp_path: Path) -> None:
    source = folder(tmp_path, portfolio)

    with pytest.raises(ConfigError, match="at one place or one within another"):
        scored(ScoreRequest(str(source), str(source / "scored")))


def test_two_parts_of_one_name_are_refused(portfolio: pa.Table, tmp_path: Path) -> None:
    write_parquet(tmp_path / "part.parquet", portfolio.slice(0, 5))
    write_csv(tmp_path / "part.csv", portfolio.slice(0, 5))

    with pytest.raises(ConfigError, match="Expected a name for each part"):
        scored(ScoreRequest(str(tmp_path), str(tmp_path.parent / "out"), output_form="ndjson"))
