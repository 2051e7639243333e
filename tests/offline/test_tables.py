"""A folder that is more than its parts, or is not yet all of them: said, and nothing scored."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import bentoml
import pytest

from bentoml_ext.errors import ConfigError
from bentoml_ext.offline.folders import parts
from bentoml_ext.offline.plan import RECORD, ScoreRequest, plan
from tests.offline.portfolios import TAG
from tests.support.commands import bentoml_command

TABLES = [
    ("_delta_log/00000000000000000000.json", "a Delta Lake table"),
    ("year=2026/_delta_log/00000000000000000010.checkpoint.parquet", "a Delta Lake table"),
    ("metadata/v1.metadata.json", "an Iceberg table"),
    ("metadata/00001-0a1b.gz.metadata.json", "an Iceberg table"),
    ("metadata/version-hint.text", "an Iceberg table"),
    (".hoodie/hoodie.properties", "a Hudi table"),
    ("year=2026/.hoodie_partition_metadata", "a Hudi table"),
    ("_versions/1.manifest", "a Lance data set"),
    ("book.lance/_versions/1.manifest", "a Lance data set"),
    ("snapshot/LATEST", "a Paimon table"),
    ("year=2026/ducklake-0195.parquet", "a DuckLake table"),
    ("delta_0000001_0000001_0000/bucket_00000", "a Hive table with transactions"),
    ("base_0000005/bucket_00000", "a Hive table with transactions"),
    ("_spark_metadata/0", "the output of a Spark stream"),
    ("_temporary/0/task_0/part-0.parquet", "the output of a job that has not ended"),
    ("year=2026/.part-0.parquet.inprogress.1f", "the output of a job that has not ended"),
    (".spark-staging-1f/part-0.parquet", "the output of a job that has not ended"),
    ("part-9.parquet._COPYING_", "the output of a job that has not ended"),
    ("_started_17", "the output of a job that has not ended"),
    ("_tombstones/1", "a hidden folder"),
]
HARMLESS = [
    *("_SUCCESS", "_metadata", "_common_metadata", "year=2026/.part-0.snappy.parquet.crc"),
    *("._part-0.parquet", ".DS_Store", ".part-0.parquet.tmp.crc", ".git/HEAD"),
]


def put(place: Path, content: str = "{}") -> Path:
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(content)
    return place


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A folder of two parts, which a plan does not open."""
    for index in range(2):
        put(tmp_path / "book" / "year=2026" / f"part-{index}.snappy.parquet")
    return tmp_path / "book"


@pytest.mark.parametrize(("mark", "kind"), TABLES)
def test_a_table_is_named_with_what_to_do(
    mark: str, kind: str, source: Path, tmp_path: Path
) -> None:
    put(source / mark)

    with pytest.raises(ConfigError, match=rf"Expected a folder of parts, got {kind}.* - at .*\. "):
        plan(ScoreRequest(str(source), reject=True), TAG)

    assert list(tmp_path.iterdir()) == [source]


@pytest.mark.parametrize("name", HARMLESS)
def test_what_tools_leave_beside_parts_is_no_part(name: str, source: Path) -> None:
    put(source / name)

    assert len(plan(ScoreRequest(str(source)), TAG).jobs) == 2


def test_a_folder_within_a_table_is_the_table(source: Path, tmp_path: Path) -> None:
    put(source / "_delta_log" / "00000000000000000000.json")
    (tmp_path / "link").symlink_to(source / "year=2026")
    part = source / "year=2026" / "part-0.snappy.parquet"

    for inner in (source / "year=2026", tmp_path / "link", part):
        with pytest.raises(ConfigError, match="got a Delta Lake table"):
            plan(ScoreRequest(str(inner), str(tmp_path / "out")), TAG)


def test_a_table_is_told_when_resumed_and_by_the_command(
    home: Path, credit_model: bentoml.Model, source: Path
) -> None:
    plan(ScoreRequest(str(source)), TAG)
    put(source / "_delta_log" / "00000000000000000000.json")

    ended = bentoml_command(home, "ext", "score", TAG, source, "--resume")

    assert ended.returncode == 1
    assert "Error: Expected a folder of parts, got a Delta Lake table - at " in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("rejected", [False, True])
def test_answers_are_not_written_into_a_table(rejected: bool, tmp_path: Path) -> None:
    put(tmp_path / "book.parquet")
    put(tmp_path / "table" / "_delta_log" / "00000000000000000000.json")
    inside, apart = str(tmp_path / "table" / "out.parquet"), str(tmp_path / "out.parquet")
    request = ScoreRequest(str(tmp_path / "book.parquet"), inside)
    if rejected:
        request = replace(request, output=apart, reject=True, rejected=inside)

    with pytest.raises(ConfigError, match="outside of tables, got a Delta Lake table"):
        plan(request, TAG)
    assert not (tmp_path / "table" / "out.parquet").exists()


def test_a_commit_of_databricks_says_which_parts_are_dead(source: Path, tmp_path: Path) -> None:
    put(source / "year=2026" / "_started_1")
    commit = {"added": ["part-0.snappy.parquet"], "removed": ["part-7.snappy.parquet"]}
    put(source / "year=2026" / "_committed_1", json.dumps(commit))
    assert len(plan(ScoreRequest(str(source), str(tmp_path / "one")), TAG).jobs) == 2

    commit["removed"] = ["part-1.snappy.parquet"]
    put(source / "year=2026" / "_committed_1", json.dumps(commit))

    with pytest.raises(ConfigError, match=r"_committed_1 has removed .*part-1\.snappy"):
        plan(ScoreRequest(str(source), str(tmp_path / "two")), TAG)


def link(place: Path) -> None:
    place.symlink_to(place.parent.parent)


def lost(place: Path) -> None:
    place.symlink_to(place.with_name("gone"))


def deeper(place: Path) -> None:
    put(place / "part.parquet")


@pytest.mark.parametrize("make", [link, lost, deeper])
def test_nothing_that_may_be_a_part_is_passed_over_or_taken_twice(
    make: Callable[[Path], None], source: Path
) -> None:
    make(source / "year=2026" / "part-9.parquet")

    with pytest.raises(ConfigError, match=r"Expected (all parts at one depth|a folder of parts)"):
        plan(ScoreRequest(str(source)), TAG)


def test_parts_come_in_the_order_of_their_paths(tmp_path: Path) -> None:
    names = ["b/part-1.csv", "a/part-2.csv", "a/part-1.csv", "a-0/part-3.csv"]
    for name in names:
        put(tmp_path / name)

    found = [str(path.relative_to(tmp_path)) for path in parts(tmp_path)]

    assert found == ["a/part-1.csv", "a/part-2.csv", "a-0/part-3.csv", "b/part-1.csv"]


def test_answers_to_a_part_that_is_gone_are_not_left_among_the_others(
    source: Path, tmp_path: Path
) -> None:
    for job in plan(ScoreRequest(str(source)), TAG).jobs:
        put(job.output or Path())
    (source / "year=2026" / "part-1.snappy.parquet").unlink()

    with pytest.raises(ConfigError, match=r"got others - at .*book\.scored.*part-1\.snappy"):
        plan(ScoreRequest(str(source), resume=True), TAG)
    assert (tmp_path / "book.scored" / RECORD).is_file()
