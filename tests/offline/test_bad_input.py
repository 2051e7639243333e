"""Bad applications, bad files and requests that cannot be met: told, and nothing half-written."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bentoml_ext.errors import BentoMLExtError, ConfigError, UnreadableInput
from bentoml_ext.offline.plan import ScoreRequest
from tests.offline.portfolios import ROWS, WRITERS, assert_answers, bad, read, scored, write_parquet

pytestmark = pytest.mark.usefixtures("credit_model")


@pytest.mark.parametrize("suffix", WRITERS)
@pytest.mark.parametrize("workers", [1, 2])
def test_bad_applications_go_to_a_file_of_their_own(
    suffix: str, workers: int, portfolio: pa.Table, expected: list[Any], tmp_path: Path
) -> None:
    table, where = bad(portfolio)
    WRITERS[suffix](tmp_path / f"book.{suffix}", table)

    summary = scored(
        ScoreRequest(str(tmp_path / f"book.{suffix}"), reject=True, keep=("id",)), workers=workers
    )

    rejected = read(tmp_path / f"book.scored.rejected.{suffix}")
    assert rejected["row"].to_pylist() == where
    assert [int(value) for value in rejected["id"].to_pylist()] == where
    first, second, third = rejected["reason"].to_pylist()
    assert "\"castle\" - at field 'home'; Expected" in first
    assert "at field 'age'" in first
    assert "got null - at field 'records'" in second
    assert "a code for a missing value" in third
    assert json.loads(rejected["application"][0].as_py())["home"] == "castle"
    good = [index for index in range(ROWS) if index not in where]
    answers = read(tmp_path / f"book.scored.{suffix}")
    assert_answers(answers, [expected[index] for index in good], good)
    assert (summary.rows, summary.scored, summary.rejected) == (ROWS, ROWS - 3, 3)


@pytest.mark.parametrize("suffix", WRITERS)
def test_the_first_bad_application_ends_it_and_nothing_is_written(
    suffix: str, portfolio: pa.Table, tmp_path: Path
) -> None:
    table, _ = bad(portfolio)
    WRITERS[suffix](tmp_path / f"book.{suffix}", table.slice(4))
    source = tmp_path / f"book.{suffix}"

    with pytest.raises(
        UnreadableInput, match=r"field 'records' of application 19996, in .*book.*--on-error reject"
    ):
        scored(ScoreRequest(str(source)))

    assert list(tmp_path.iterdir()) == [source]


@pytest.mark.parametrize("suffix", WRITERS)
def test_a_column_named_like_a_feature_is_refused_in_every_format(
    suffix: str, portfolio: pa.Table, tmp_path: Path
) -> None:
    table = portfolio.slice(0, 5).append_column("home=owner", pa.array([1] * 5))
    WRITERS[suffix](tmp_path / f"book.{suffix}", table)

    with pytest.raises(UnreadableInput, match="'home=owner'"):
        scored(ScoreRequest(str(tmp_path / f"book.{suffix}")))


def test_a_missing_field_is_named_with_the_columns_that_came(
    portfolio: pa.Table, tmp_path: Path
) -> None:
    write_parquet(tmp_path / "book.parquet", portfolio.drop_columns(["age"]))

    with pytest.raises(UnreadableInput, match=r"no columns of that name.*field 'age', in .*book"):
        scored(ScoreRequest(str(tmp_path / "book.parquet"), reject=True))


@pytest.mark.parametrize("suffix", ["parquet", "csv", "arrow", "ndjson"])
@pytest.mark.parametrize("content", [b"{", b"PAR1 and then nothing of it", b"\xff\xfe\0\1" * 9])
def test_what_is_not_of_its_format_is_refused(suffix: str, content: bytes, tmp_path: Path) -> None:
    (tmp_path / f"book.{suffix}").write_bytes(content)

    with pytest.raises(BentoMLExtError, match=r"Expected .*book"):
        scored(ScoreRequest(str(tmp_path / f"book.{suffix}")))

    assert [path.name for path in tmp_path.iterdir()] == [f"book.{suffix}"]


@pytest.mark.parametrize("suffix", ["parquet", "arrow", "arrows"])
@pytest.mark.parametrize("share", [0, 0.3, 0.7, 0.999])
def test_a_truncated_file_gives_nothing(
    suffix: str, share: float, portfolio: pa.Table, tmp_path: Path
) -> None:
    source = tmp_path / f"book.{suffix}"
    WRITERS[suffix](source, portfolio)
    os.truncate(source, int(source.stat().st_size * share))

    with pytest.raises(UnreadableInput):
        scored(ScoreRequest(str(source)))

    assert list(tmp_path.iterdir()) == [source]


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("suffix", ["parquet", "arrow", "arrows"])
def test_a_damaged_file_is_refused_or_read_and_never_half_written(
    suffix: str, seed: int, portfolio: pa.Table, tmp_path: Path
) -> None:
    source = tmp_path / f"book.{suffix}"
    WRITERS[suffix](source, portfolio.slice(0, 5000))
    data, random = bytearray(source.read_bytes()), np.random.default_rng(seed)
    for place in random.integers(0, len(data), 20):
        data[place] ^= 1 << int(random.integers(8))
    source.write_bytes(data)

    try:
        scored(ScoreRequest(str(source), reject=True))
    except BentoMLExtError:
        assert list(tmp_path.iterdir()) == [source]


def test_answers_carry_checksums_that_are_checked(portfolio: pa.Table, tmp_path: Path) -> None:
    source, output = tmp_path / "book.parquet", tmp_path / "out.parquet"
    write_parquet(source, portfolio)
    scored(ScoreRequest(str(source), str(output)))
    data = bytearray(output.read_bytes())
    data[len(data) // 2] ^= 1
    output.write_bytes(data)

    with pytest.raises(OSError, match="CRC"):
        pq.ParquetFile(output, page_checksum_verification=True).read()


@pytest.mark.parametrize(
    ("request_", "told"),
    [
        (ScoreRequest("none.parquet"), "Expected a file or folder, got none"),
        (ScoreRequest("book.xls"), "Expected --from FORMAT"),
        (ScoreRequest("book.parquet", "out.xls"), "Expected --to FORMAT"),
        (ScoreRequest("book.parquet", resume=True), "folder of parts for --resume"),
        (ScoreRequest("book.parquet", "book.parquet"), "two of them at one place"),
        (
            ScoreRequest(
                "book.parquet", "o", reject=True, rejected="book.parquet", output_form="csv"
            ),
            "two of them at one place",
        ),
        (
            ScoreRequest("book.parquet", "o.csv", reject=True, rejected="o.csv"),
            "two of them at one place",
        ),
        (ScoreRequest("book.parquet", "-", reject=True), "Expected --rejected FILE"),
        (ScoreRequest("book.parquet", keep=("customer",)), "got 'customer' - at --keep"),
        (
            ScoreRequest("book.parquet", keep=("Status",)),
            "the output does not have itself, got 'Status'",
        ),
        (ScoreRequest("-"), "Expected --from FORMAT"),
        (ScoreRequest("."), "Expected files of"),
    ],
    ids=lambda value: str(value)[:60],
)
def test_a_request_that_cannot_be_met_says_why(
    request_: ScoreRequest,
    told: str,
    portfolio: pa.Table,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    table = portfolio.append_column("Status", portfolio["note"])
    if request_.source != ".":
        write_parquet(Path("book.parquet"), table)
        Path("book.xls").touch()

    with pytest.raises(ConfigError, match=told):
        scored(request_)


def test_a_full_disk_leaves_what_was_there(portfolio: pa.Table, tmp_path: Path) -> None:
    write_parquet(tmp_path / "book.parquet", portfolio)
    (tmp_path / "book.scored.parquet").write_bytes(b"before")

    with pytest.raises(OSError, match="No space left"):
        scored(ScoreRequest(str(tmp_path / "book.parquet"), "/dev/full", output_form="csv"))

    assert (tmp_path / "book.scored.parquet").read_bytes() == b"before"
