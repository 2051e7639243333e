"""`bentoml ext score --engine ray`: on a real Ray of two workers, the files of a local run."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import bentoml
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import bentoml_ext
from bentoml_ext.offline.plan import RECORD
from models.synthetic import generate
from tests.support.clusters import QUIET, Cluster, cluster
from tests.support.commands import LIMIT_S, ROOT, bentoml_command, environment
from tests.support.servers import eventually

TAG = "credit_risk_model:latest"
PARTS, PART_ROWS = 24, 50_000
"""Some seconds of work for two workers."""

# It takes a Ray half a minute to start, to score and to end on a machine that others use.
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def ray() -> Iterator[Cluster]:
    """A running cluster of two workers."""
    with cluster(cpus=2) as running:
        yield running


@pytest.fixture(scope="module")
def book(credit_model: bentoml.Model, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of parts, the same applications in each under numbers of its own."""
    source = tmp_path_factory.mktemp("ray") / "book"
    source.mkdir()
    fields = bentoml_ext.load_bundle(credit_model).encoder.fields
    table = pa.Table.from_batches([generate(PART_ROWS, fields=fields).to_arrow()])
    for part in range(PARTS):
        ids = pa.array(np.arange(part * PART_ROWS, (part + 1) * PART_ROWS))
        pq.write_table(table.append_column("id", ids), source / f"part-{part:02}.parquet")
    return source


def score(
    home: Path, source: Path, output: Path, *options: str | Path, ray: Cluster | None = None
) -> subprocess.CompletedProcess[str]:
    """`bentoml ext score`, ended; on Ray if there is one."""
    engine = ["--engine", "ray", "--workers", "2", "--address", ray.address] if ray else []
    line = ["ext", "score", TAG, source, "-o", output, "--keep", "id", *engine, *options]
    return bentoml_command(home, *line, cwd=ROOT, **QUIET)


@pytest.fixture(scope="module")
def local(home: Path, book: Path) -> Path:
    """The answers of the local engine."""
    output = book.with_name("local")
    ended = score(home, book, output)
    assert ended.returncode == 0, ended.stderr
    return output


def contents(folder: Path) -> dict[str, bytes]:
    """All files of a folder, hidden ones too."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_two_workers_write_the_files_of_a_local_run(
    home: Path, book: Path, local: Path, ray: Cluster, tmp_path: Path
) -> None:
    ended = score(home, book, tmp_path / "out", "--json", tmp_path / "told.json", ray=ray)

    assert ended.returncode == 0, ended.stderr
    assert contents(tmp_path / "out") == contents(local)
    assert ended.stdout.startswith("Scored 1,200,000 of 1,200,000 applications, rejected 0: ")
    assert ended.stdout.count("\n") == 1
    told = json.loads((tmp_path / "told.json").read_bytes())
    assert (told["parts"], told["rows"], told["workers"]) == (PARTS, PARTS * PART_ROWS, 2)


def test_a_worker_that_is_killed_loses_and_doubles_nothing(
    home: Path, book: Path, local: Path, ray: Cluster, tmp_path: Path
) -> None:
    output = tmp_path / "out"
    line = ["ext", "score", TAG, book, "-o", output, "--keep", "id", "--backend", "onnx"]
    line += ["--engine", "ray", "--workers", "2", "--address", ray.address]
    with subprocess.Popen(
        [sys.executable, "-m", "bentoml", *map(str, line)],
        cwd=ROOT,
        env=environment(home, **QUIET),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        while not (output / "part-02.parquet").exists():
            assert process.poll() is None, "ended before a worker could be killed"
            time.sleep(0.01)
        # One of the two: the other may still be about to start.
        (killed,) = eventually(lambda: ray.workers()[1:])
        killed.kill()
        assert process.wait(LIMIT_S) == 0

    assert len(contents(output)) == len(contents(local)) == PARTS + 1
    ids = pq.read_table(output)["id"].to_numpy()
    assert np.array_equal(ids, np.arange(PARTS * PART_ROWS))
    assert contents(output) == contents(local)


def spoiled(book: Path, folder: Path) -> Path:
    """Two parts, with a wrong age at row 777 of the second."""
    source = folder / "bad"
    source.mkdir()
    (source / "part-00.parquet").write_bytes((book / "part-00.parquet").read_bytes())
    table = pq.read_table(book / "part-01.parquet")
    ages = table["age"].to_pylist()
    ages[777] = -5
    place = table.schema.get_field_index("age")
    pq.write_table(table.set_column(place, "age", pa.array(ages)), source / "part-01.parquet")
    return source


def test_a_bad_application_ends_the_run_and_its_part_is_not_written(
    home: Path, book: Path, ray: Cluster, tmp_path: Path
) -> None:
    ended = score(home, spoiled(book, tmp_path), tmp_path / "out", ray=ray)

    assert ended.returncode == 1
    told = ended.stderr.splitlines()[-1]
    assert told.startswith(
        "Error: Expected a finite number in years, at least 0, at most 150, got -5"
    )
    assert f"of application 777, in {tmp_path / 'bad' / 'part-01.parquet'}." in told
    assert set(contents(tmp_path / "out")) <= {RECORD, "part-00.parquet"}


def test_bad_applications_are_rejected_with_their_place_in_a_part_and_a_run_resumes(
    home: Path, book: Path, ray: Cluster, tmp_path: Path
) -> None:
    source, output = spoiled(book, tmp_path), tmp_path / "out"

    ended = score(home, source, output, "--on-error", "reject", ray=ray)
    (output / "part-01.parquet").unlink()
    again = score(home, source, output, "--on-error", "reject", "--resume", ray=ray)

    assert (ended.returncode, again.returncode) == (3, 3), again.stderr
    assert ended.stdout.startswith("Scored 99,999 of 100,000 applications, rejected 1: ")
    assert again.stdout.startswith("Scored 49,999 of 50,000 applications, rejected 1, 1 parts")
    (row,) = pq.read_table(tmp_path / "out.rejected" / "part-01.parquet").to_pylist()
    assert (row["row"], row["id"]) == (777, PART_ROWS + 777)
    assert json.loads(row["application"])["age"] == -5
    assert "got -5" in row["reason"]
    assert set(contents(output)) == {RECORD, "part-00.parquet", "part-01.parquet"}


def test_without_an_address_one_file_is_scored_in_pieces_on_a_ray_of_its_own(
    home: Path, book: Path, local: Path, tmp_path: Path
) -> None:
    whole = pq.read_table(book)
    pq.write_table(whole, tmp_path / "book.parquet", row_group_size=300_000)

    ended = score(home, tmp_path / "book.parquet", tmp_path / "out", "--engine", "ray")

    assert ended.returncode == 0, ended.stderr
    names = sorted(contents(tmp_path / "out"))
    assert names == [RECORD, *(f"book-{piece:05}.parquet" for piece in range(2))]
    assert pq.read_table(tmp_path / "out").equals(pq.read_table(local))
