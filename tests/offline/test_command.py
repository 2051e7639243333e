"""`bentoml ext score` as a process: pipes, exit codes, kills."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from tests.offline.portfolios import (
    ROWS,
    TAG,
    WRITERS,
    all_parts,
    assert_answers,
    bad,
    folder,
    read,
    write_csv,
    write_parquet,
)
from tests.support.commands import LIMIT_S, bentoml_command, environment, ext_command

pytestmark = pytest.mark.usefixtures("credit_model")


def command(home: Path, *options: str | Path, **how: Any) -> subprocess.CompletedProcess[bytes]:
    """`bentoml ext score TAG OPTIONS`, with bytes on its pipes."""
    line = [sys.executable, "-m", "bentoml", "ext", "score", TAG, *map(str, options)]
    return subprocess.run(
        line, env=environment(home), capture_output=True, timeout=120, check=False, **how
    )


@pytest.mark.slow
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


@pytest.mark.slow
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
    # As with any option of a command line that takes no such value.
    assert ext_command("score", TAG, source, "--backend", "coreml").returncode == 2
    assert ext_command("score", TAG, source, "--workers", "0").returncode == 2


@pytest.mark.slow
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
    process.wait(LIMIT_S)

    whole = sorted(output.rglob("part*"))
    assert all(read(path).num_rows == ROWS // 40 for path in whole)
    if sign != "SIGKILL":
        assert not list(output.rglob(".*"))
    again = bentoml_command(home, "ext", "score", TAG, *options, "--resume")
    assert again.returncode == 0, again.stderr
    table = all_parts(output)
    order = np.argsort(table["id"].to_numpy())
    assert_answers(table.take(order), expected, range(ROWS))
    assert f"{len(whole)} parts were there already" in again.stdout


@pytest.mark.slow
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
