"""`bentoml ext score`: a portfolio in, the booster's own answers out, whole or not at all."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import bentoml
import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest

import bentoml_ext
from bentoml_ext.bulk.plan import RECORD, Request
from bentoml_ext.bulk.run import run
from bentoml_ext.bulk.summary import Summary
from bentoml_ext.errors import BentoMLExtError, ConfigError, UnreadableInput
from models.synthetic import generate
from tests.commands import bentoml_command, environment
from tests.small import assert_same_bits

pytestmark = pytest.mark.usefixtures("credit_model")

ROWS = 40_000
TAG = "credit_risk_model:latest"
COLUMNS = ["id", "Status", "probability", "margin", "model"]


def write_parquet(path: Path, table: pa.Table) -> None:
    pq.write_table(table, path)


def write_csv(path: Path, table: pa.Table) -> None:
    pacsv.write_csv(table, path)


def write_arrow(path: Path, table: pa.Table) -> None:
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
        writer.write_table(table, max_chunksize=25_000)


def write_stream(path: Path, table: pa.Table) -> None:
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, table.schema) as writer:
        writer.write_table(table)


def write_ndjson(path: Path, table: pa.Table) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in table.to_pylist()))


WRITERS: dict[str, Callable[[Path, pa.Table], None]] = {
    "parquet": write_parquet,
    "csv": write_csv,
    "arrow": write_arrow,
    "arrows": write_stream,
    "ndjson": write_ndjson,
}


def read(path: Path) -> pa.Table:
    """A file of answers; texts as plain strings."""
    if path.suffix == ".parquet":
        table = pq.read_table(path)
    elif path.suffix == ".csv":
        table = pacsv.read_csv(path)
    elif path.suffix == ".ndjson":
        table = pa.Table.from_pylist(list(map(json.loads, path.read_text().splitlines())))
    elif path.suffix == ".arrow":
        table = pa.ipc.open_file(path.read_bytes()).read_all()
    else:
        table = pa.ipc.open_stream(path.read_bytes()).read_all()
    plain = [
        (name, kind.value_type if pa.types.is_dictionary(kind) else kind)
        for name, kind in zip(table.schema.names, table.schema.types, strict=True)
    ]
    return table.cast(pa.schema(plain)).combine_chunks()


def float32(table: pa.Table, name: str) -> np.ndarray:
    column: np.ndarray = table[name].to_numpy().astype(np.float32)
    return column


@pytest.fixture(scope="module")
def portfolio(credit_model: bentoml.Model) -> pa.Table:
    """Applications with a number, and with columns that are nothing to the model."""
    fields = bentoml_ext.load_bundle(credit_model).encoder.fields
    batch = generate(ROWS, fields=fields).to_arrow()
    numbers = pa.array(np.arange(ROWS))
    columns = {name: _plain(batch.column(name)) for name in batch.schema.names}
    return pa.table({"id": numbers, **columns, "note": pa.array(["seen"] * ROWS)})


def _plain(column: pa.Array) -> pa.Array:
    return column.dictionary_decode() if pa.types.is_dictionary(column.type) else column


@pytest.fixture(scope="module")
def expected(portfolio: pa.Table, credit_model: bentoml.Model) -> list[Any]:
    """The answers of the scorer that /classify uses, to one application after the other."""
    scorer = bentoml_ext.load_model(credit_model, "xgboost")
    applications = portfolio.drop_columns(["id", "note"]).to_pylist()
    return scorer.classify_batch(applications)


def scored(request: Request, backend: str = "auto", workers: int = 1) -> Summary:
    return run(request, bentoml_ext.get(TAG), backend, workers)


def assert_answers(table: pa.Table, expected: Iterable[Any], ids: Iterable[int]) -> None:
    """The table has these answers, in this order."""
    answers = list(expected)
    assert [int(value) for value in table["id"].to_pylist()] == list(ids)
    assert table["Status"].to_pylist() == [answer.status for answer in answers]
    margins = np.array([answer.margin for answer in answers], np.float32)
    chances = np.array([answer.probability for answer in answers], np.float32)
    assert_same_bits(expected=margins, got=float32(table, "margin"))
    assert_same_bits(expected=chances, got=float32(table, "probability"))


@pytest.mark.parametrize("suffix", WRITERS)
def test_every_format_is_read_and_written(
    suffix: str, portfolio: pa.Table, expected: list[Any], tmp_path: Path
) -> None:
    WRITERS[suffix](tmp_path / f"book.{suffix}", portfolio)

    summary = scored(Request(str(tmp_path / f"book.{suffix}"), keep=("id",)))

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

    scored(Request(str(tmp_path / "book.parquet"), keep=("id",)), backend, workers)

    assert_answers(read(tmp_path / "book.scored.parquet"), expected, range(ROWS))


def test_dictionary_columns_are_kept_as_values(portfolio: pa.Table, tmp_path: Path) -> None:
    place = portfolio.schema.get_field_index("note")
    coded = portfolio.set_column(place, "note", portfolio["note"].dictionary_encode())
    write_arrow(tmp_path / "book.arrow", coded.slice(0, 10))

    scored(Request(str(tmp_path / "book.arrow"), keep=("note",)))

    assert read(tmp_path / "book.scored.arrow")["note"].to_pylist() == ["seen"] * 10


def bad(portfolio: pa.Table) -> tuple[pa.Table, list[int]]:
    """The portfolio with wrong values here and there, and where."""
    rows = portfolio.to_pylist()
    rows[3]["age"] = -1.0
    rows[3]["home"] = "castle"
    rows[20_000]["records"] = None
    rows[ROWS - 1]["price"] = 99_999_999
    return pa.Table.from_pylist(rows, portfolio.schema), [3, 20_000, ROWS - 1]


@pytest.mark.parametrize("suffix", WRITERS)
@pytest.mark.parametrize("workers", [1, 2])
def test_bad_applications_go_to_a_file_of_their_own(
    suffix: str, workers: int, portfolio: pa.Table, expected: list[Any], tmp_path: Path
) -> None:
    table, where = bad(portfolio)
    WRITERS[suffix](tmp_path / f"book.{suffix}", table)

    summary = scored(
        Request(str(tmp_path / f"book.{suffix}"), reject=True, keep=("id",)), workers=workers
    )

    rejected = read(tmp_path / f"book.scored.rejected.{suffix}")
    assert rejected["row"].to_pylist() == where
    assert [int(value) for value in rejected["id"].to_pylist()] == where
    first, second, third = rejected["reason"].to_pylist()
    assert "'castle' - at field 'home'; Expected" in first
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
        scored(Request(str(source)))

    assert list(tmp_path.iterdir()) == [source]


def test_an_empty_file_gives_an_empty_file(portfolio: pa.Table, tmp_path: Path) -> None:
    write_parquet(tmp_path / "book.parquet", portfolio.slice(0, 0))

    summary = scored(Request(str(tmp_path / "book.parquet"), keep=("id",)))

    assert read(tmp_path / "book.scored.parquet").num_rows == summary.rows == 0


def test_lines_without_a_column_to_keep_have_null(portfolio: pa.Table, tmp_path: Path) -> None:
    rows = portfolio.slice(0, 3).to_pylist()
    del rows[1]["note"]
    (tmp_path / "book.ndjson").write_text("\n".join(map(json.dumps, rows)))

    scored(Request(str(tmp_path / "book.ndjson"), keep=("note",)))

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
        scored(Request(str(tmp_path / "book.ndjson"), keep=("note",)))


def test_a_kept_number_keeps_its_fraction(portfolio: pa.Table, tmp_path: Path) -> None:
    rows = portfolio.slice(0, 1200).to_pylist()
    rows[-1]["age"] = 26.75
    (tmp_path / "book.ndjson").write_text("".join(json.dumps(row) + "\n" for row in rows))

    scored(Request(str(tmp_path / "book.ndjson"), keep=("age",)))

    assert read(tmp_path / "book.scored.ndjson")["age"][-1].as_py() == 26.75


@pytest.mark.parametrize("suffix", WRITERS)
def test_a_column_named_like_a_feature_is_refused_in_every_format(
    suffix: str, portfolio: pa.Table, tmp_path: Path
) -> None:
    table = portfolio.slice(0, 5).append_column("home=owner", pa.array([1] * 5))
    WRITERS[suffix](tmp_path / f"book.{suffix}", table)

    with pytest.raises(UnreadableInput, match="'home=owner'"):
        scored(Request(str(tmp_path / f"book.{suffix}")))


def test_a_missing_field_is_named_with_the_columns_that_came(
    portfolio: pa.Table, tmp_path: Path
) -> None:
    write_parquet(tmp_path / "book.parquet", portfolio.drop_columns(["age"]))

    with pytest.raises(UnreadableInput, match=r"no columns of that name.*field 'age', in .*book"):
        scored(Request(str(tmp_path / "book.parquet"), reject=True))


@pytest.mark.parametrize("suffix", ["parquet", "csv", "arrow", "ndjson"])
@pytest.mark.parametrize("content", [b"{", b"PAR1 and then nothing of it", b"\xff\xfe\0\1" * 9])
def test_what_is_not_of_its_format_is_refused(suffix: str, content: bytes, tmp_path: Path) -> None:
    (tmp_path / f"book.{suffix}").write_bytes(content)

    with pytest.raises(BentoMLExtError, match=r"Expected .*book"):
        scored(Request(str(tmp_path / f"book.{suffix}")))

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
        scored(Request(str(source)))

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
        scored(Request(str(source), reject=True))
    except BentoMLExtError:
        assert list(tmp_path.iterdir()) == [source]


def test_answers_carry_checksums_that_are_checked(portfolio: pa.Table, tmp_path: Path) -> None:
    source, output = tmp_path / "book.parquet", tmp_path / "out.parquet"
    write_parquet(source, portfolio)
    scored(Request(str(source), str(output)))
    data = bytearray(output.read_bytes())
    data[len(data) // 2] ^= 1
    output.write_bytes(data)

    with pytest.raises(OSError, match="CRC"):
        pq.ParquetFile(output, page_checksum_verification=True).read()


@pytest.mark.parametrize(
    ("request_", "told"),
    [
        (Request("none.parquet"), "Expected a file or folder, got none"),
        (Request("book.xls"), "Expected --from FORMAT"),
        (Request("book.parquet", "out.xls"), "Expected --to FORMAT"),
        (Request("book.parquet", resume=True), "folder of parts for --resume"),
        (Request("book.parquet", "book.parquet"), "got one twice"),
        (
            Request("book.parquet", "o", reject=True, rejected="book.parquet", output_form="csv"),
            "got one twice",
        ),
        (Request("book.parquet", "o.csv", reject=True, rejected="o.csv"), "got one twice"),
        (Request("book.parquet", "-", reject=True), "Expected --rejected FILE"),
        (Request("book.parquet", keep=("customer",)), "got 'customer' - at --keep"),
        (Request("book.parquet", keep=("Status",)), "none of the output's, got 'Status'"),
        (Request("-"), "Expected --from FORMAT"),
        (Request("."), "Expected files of"),
    ],
    ids=lambda value: str(value)[:60],
)
def test_a_request_that_cannot_be_met_says_why(
    request_: Request,
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


def folder(tmp_path: Path, portfolio: pa.Table, parts: int = 4) -> Path:
    """A folder of parts as Spark writes it."""
    source = tmp_path / "book"
    (source / "year=2026").mkdir(parents=True)
    (source / "_SUCCESS").touch()
    size = ROWS // parts
    for index in range(parts):
        write_parquet(
            source / "year=2026" / f"part-{index}.snappy.parquet",
            portfolio.slice(index * size, size),
        )
    return source


def test_a_folder_of_parts_becomes_a_folder_of_answers(
    portfolio: pa.Table, expected: list[Any], tmp_path: Path
) -> None:
    source = folder(tmp_path, portfolio)

    summary = scored(Request(str(source), keep=("id",), reject=True))

    output = tmp_path / "book.scored"
    assert_answers(_all_parts(output), expected, range(ROWS))
    assert (summary.parts, summary.rows) == (4, ROWS)
    assert len(list((tmp_path / "book.scored.rejected").rglob("*.parquet"))) == 4


def _all_parts(output: Path) -> pa.Table:
    return pa.concat_tables([read(path) for path in sorted(output.rglob("*.parquet"))])


def test_resume_scores_only_what_is_missing_or_newer(
    portfolio: pa.Table, expected: list[Any], tmp_path: Path
) -> None:
    request = Request(str(folder(tmp_path, portfolio)), keep=("id",), resume=True)
    scored(request)
    done = sorted((tmp_path / "book.scored").rglob("*.parquet"))
    done[1].unlink()
    os.utime(done[2], ns=(0, 0))
    before = {path: path.stat().st_mtime_ns for path in (done[0], done[3])}

    summary = scored(request)

    assert (summary.parts, summary.skipped, summary.rows) == (2, 2, ROWS // 2)
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert_answers(_all_parts(tmp_path / "book.scored"), expected, range(ROWS))


def test_answers_of_another_request_are_not_added_to(portfolio: pa.Table, tmp_path: Path) -> None:
    source = folder(tmp_path, portfolio)
    scored(Request(str(source)))

    with pytest.raises(ConfigError, match=r"Expected a new or an empty folder.*--resume"):
        scored(Request(str(source)))
    with pytest.raises(ConfigError, match=rf"others - at .*{RECORD}"):
        scored(Request(str(source), keep=("id",), resume=True))
    other = source.rename(tmp_path / "february")
    with pytest.raises(ConfigError, match=rf"others - at .*{RECORD}"):
        scored(Request(str(other), str(tmp_path / "book.scored"), resume=True))


def test_no_file_of_a_folder_is_passed_over(portfolio: pa.Table, tmp_path: Path) -> None:
    source = folder(tmp_path, portfolio)
    (source / "part-9.csv.gz").touch()

    with pytest.raises(ConfigError, match=r"Expected --from FORMAT.*part-9\.csv\.gz"):
        scored(Request(str(source)))


def test_answers_are_no_parts_of_their_source(portfolio: pa.Table, tmp_path: Path) -> None:
    source = folder(tmp_path, portfolio)

    with pytest.raises(ConfigError, match="got one twice or within another"):
        scored(Request(str(source), str(source / "scored")))


def test_two_parts_of_one_name_are_refused(portfolio: pa.Table, tmp_path: Path) -> None:
    write_parquet(tmp_path / "part.parquet", portfolio.slice(0, 5))
    write_csv(tmp_path / "part.csv", portfolio.slice(0, 5))

    with pytest.raises(ConfigError, match="Expected a name for each part"):
        scored(Request(str(tmp_path), str(tmp_path.parent / "out"), output_form="ndjson"))


def command(home: Path, *options: str | Path, **how: Any) -> subprocess.CompletedProcess[bytes]:
    """`bentoml ext score TAG OPTIONS`, with bytes on its pipes."""
    line = [sys.executable, "-m", "bentoml", "ext", "score", TAG, *map(str, options)]
    return subprocess.run(
        line, env=environment(home), capture_output=True, timeout=120, check=False, **how
    )


@pytest.mark.parametrize("suffix", WRITERS)
def test_pipes_carry_every_format(
    suffix: str, home: Path, portfolio: pa.Table, expected: list[Any], tmp_path: Path
) -> None:
    source = tmp_path / f"book.{suffix}"
    WRITERS[suffix](source, portfolio.slice(0, 500))
    form = suffix.rstrip("s") if suffix == "arrows" else suffix

    ended = command(home, "-", "--from", form, "--keep", "id", input=source.read_bytes())

    assert ended.returncode == 0, ended.stderr
    # A pipe carries Arrow as a stream.
    out = tmp_path / f"out.{'arrows' if form == 'arrow' else suffix}"
    out.write_bytes(ended.stdout)
    assert_answers(read(out), expected[:500], range(500))
    assert b"Scored 500 of 500 applications, rejected 0: standard output." in ended.stderr


def test_the_exit_code_and_a_line_tell_how_it_ended(
    home: Path, portfolio: pa.Table, tmp_path: Path
) -> None:
    table, _ = bad(portfolio)
    write_parquet(tmp_path / "book.parquet", table)
    source, output = tmp_path / "book.parquet", tmp_path / "out.csv"

    failed = command(home, source, "-o", output)
    assert failed.returncode == 1
    assert b"Error: Expected" in failed.stderr
    assert not output.exists()
    told = tmp_path / "summary.json"
    rejected = command(home, source, "-o", output, "--on-error", "reject", "--json", told)
    assert rejected.returncode == 3
    assert rejected.stdout.startswith(b"Scored 39,997 of 40,000 applications, rejected 3: ")
    assert rejected.stdout.count(b"\n") == 1
    summary = json.loads(told.read_text())
    assert summary["rows"] == summary["scored"] + summary["rejected"] == ROWS
    assert command(home, source, "--backend", "coreml").returncode == 1
    assert command(home, source, "--workers", "0").returncode == 2


@pytest.mark.parametrize("sign", ["SIGTERM", "SIGHUP", "SIGINT", "SIGKILL"])
def test_a_run_that_is_killed_leaves_no_half_output_and_resumes(
    sign: str, home: Path, portfolio: pa.Table, expected: list[Any], tmp_path: Path
) -> None:
    source, output = folder(tmp_path, portfolio, parts=40), tmp_path / "out"
    options = [str(source), "-o", str(output), "--keep", "id"]
    line = [sys.executable, "-m", "bentoml", "ext", "score", TAG, *options]
    process = subprocess.Popen(line, env=environment(home), stderr=subprocess.DEVNULL)
    while process.poll() is None and len(list(output.rglob("part*"))) < 3:
        time.sleep(0.001)
    process.send_signal(signal.Signals[sign])
    process.wait(30)

    whole = sorted(output.rglob("part*"))
    assert all(read(path).num_rows == ROWS // 40 for path in whole)
    if sign != "SIGKILL":
        assert not list(output.rglob(".*"))
    again = bentoml_command(home, "ext", "score", TAG, *options, "--resume")
    assert again.returncode == 0, again.stderr
    table = _all_parts(output)
    order = np.argsort(table["id"].to_numpy())
    assert_answers(table.take(order), expected, range(ROWS))
    assert f"{len(whole)} parts were there already" in again.stdout


def test_a_reader_that_has_enough_gets_no_complaint(
    home: Path, portfolio: pa.Table, tmp_path: Path
) -> None:
    write_csv(tmp_path / "book.csv", portfolio)
    line = [sys.executable, "-m", "bentoml", "ext", "score", TAG, str(tmp_path / "book.csv")]

    with subprocess.Popen(
        [*line, "-o", "-"], env=environment(home), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        told = process.stderr.read()

    assert b"Error" not in told and b"Traceback" not in told


def test_a_full_disk_leaves_what_was_there(portfolio: pa.Table, tmp_path: Path) -> None:
    write_parquet(tmp_path / "book.parquet", portfolio)
    (tmp_path / "book.scored.parquet").write_bytes(b"before")

    with pytest.raises(OSError, match="No space left"):
        scored(Request(str(tmp_path / "book.parquet"), "/dev/full", output_form="csv"))

    assert (tmp_path / "book.scored.parquet").read_bytes() == b"before"
