"""Folders: the parts of a portfolio, and the folders that are more than their parts.

A table format keeps dead rows and files beside those that count; only its own log knows which.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import filter as matching
from pathlib import Path
from typing import Final

import msgspec

from bentoml_ext.errors import ConfigError

__all__ = ["check_depth", "check_no_table", "parts"]

FOLDER: Final = "a folder of parts"

LIVE_ROWS: Final = "Write its current rows as plain Parquet with {tool}, and score the Parquet."


@dataclass(frozen=True)
class Kind:
    """A kind of folder that is more than a folder of parts.

    Args:
        name: for people, with its article.
        marks: names, as glob patterns, that a folder of the kind has. A name without a wildcard
            marks the folders below it too.
        remedy: what to do.
    """

    name: str
    marks: tuple[str, ...]
    remedy: str

    def mark(self, folder: Path, names: Iterable[str]) -> str | None:
        """The first name in a folder that marks it; None for an unmarked folder."""
        for mark in self.marks:
            head, _, rest = mark.partition("/")
            for name in matching(names, head):
                if not rest or any((folder / name).glob(rest)):
                    return name
        return None

    def error(self, place: Path, expected: str, remedy: str | None = None) -> ConfigError:
        """What is said of a folder of this kind."""
        return ConfigError(
            f"Expected {expected}, got {self.name} - at {place}. {remedy or self.remedy}"
        )


WRITING: Final = Kind(
    "the output of a job that has not ended",
    (
        "_temporary",
        ".spark-staging*",
        ".hive-staging*",
        "*.inprogress*",
        "*._COPYING_",
        "*.tmp",
        "*.partial",
        "*.crdownload",
    ),
    "Score the folder when the job has ended; where the job is dead, run it again.",
)

KINDS: Final = (
    Kind(
        "a Delta Lake table",
        ("_delta_log",),
        LIVE_ROWS.format(tool="Spark, DuckDB's delta_scan or Python's deltalake"),
    ),
    Kind(
        "an Iceberg table",
        ("metadata/*metadata.json", "metadata/version-hint.text", "metadata/snap-*.avro"),
        LIVE_ROWS.format(tool="Spark, Trino, DuckDB's iceberg_scan or Python's pyiceberg"),
    ),
    Kind(
        "a Hudi table",
        (".hoodie", ".hoodie_partition_metadata"),
        LIVE_ROWS.format(tool="Spark or Trino"),
    ),
    Kind(
        "a Lance data set",
        ("_versions/*.manifest", "*.lance"),
        LIVE_ROWS.format(tool="Python's lance"),
    ),
    Kind(
        "a Paimon table",
        ("snapshot/LATEST", "snapshot/snapshot-*", "manifest/manifest-*"),
        LIVE_ROWS.format(tool="Spark, Flink or Trino"),
    ),
    Kind(
        "a DuckLake table",
        ("ducklake-*.parquet", "*.ducklake"),
        LIVE_ROWS.format(tool="DuckDB's ATTACH 'ducklake:...' and COPY"),
    ),
    Kind(
        "a Hive table with transactions",
        (
            "delta_[0-9]*_[0-9]*",
            "delete_delta_[0-9]*_[0-9]*",
            "base_[0-9][0-9][0-9]*",
            "_orc_acid_version",
        ),
        LIVE_ROWS.format(tool="Hive, Spark or Trino"),
    ),
    Kind(
        "the output of a Spark stream",
        ("_spark_metadata",),
        LIVE_ROWS.format(tool="Spark"),
    ),
    WRITING,
)

HARMLESS: Final = re.compile(r"\.(git|ipynb_checkpoints|AppleDouble|Trash.*|snapshots?|cache)")
"""Hidden folders that have nothing to do with the files beside them."""


def parts(source: Path) -> list[Path]:
    """The files of a folder, and of the folders in it, that are parts; in order of their names.

    As Spark and Arrow read a folder, a file whose name begins with `_` or `.` is not a part.

    Raises:
        ConfigError: the folder is more than its parts, or has something that may be a part.
        OSError: a folder that cannot be read.
    """
    check_no_table(source, FOLDER)
    return sorted(_parts(source))


def check_depth(parts: Iterable[Path]) -> None:
    """Refuse parts beside folders with parts: these may be copies, or older ones.

    Raises:
        ConfigError: names two folders.
    """
    holders = {path.parent for path in parts}
    for folder in sorted(holders):
        if above := holders.intersection(folder.parents):
            raise ConfigError(
                f"Expected all parts at one depth, got some in {min(above)} too - at {folder}. "
                "Name the folder whose parts count, or move the others away."
            )


def check_no_table(place: Path, expected: str, remedy: str | None = None) -> None:
    """Refuse a place that is a table, or in one; what lies deeper is not looked at.

    Args:
        place: a file or folder, which need not be there.
        expected: what was expected of it, in words.
        remedy: what to do; None for what the kind of table says.

    Raises:
        ConfigError: names the kind of table and what to do.
    """
    whole = Path(os.path.realpath(place))
    for folder in (whole, *whole.parents):
        for kind in KINDS:
            heads = {mark.partition("/")[0] for mark in kind.marks}
            names = [head for head in heads if "*" not in head and (folder / head).exists()]
            if (mark := kind.mark(folder, names)) is not None:
                raise kind.error(folder / mark, expected, remedy)


def _parts(folder: Path) -> Iterator[Path]:
    """The parts of a folder; nothing in it is passed over but what is known not to be data."""
    with os.scandir(folder) as entries:
        names = sorted(entry.name for entry in entries)
    # A checksum of Hadoop's is named after what it is of, which may be gone.
    named = [name for name in names if not name.endswith(".crc")]
    for kind in KINDS:
        if (mark := kind.mark(folder, named)) is not None:
            raise kind.error(folder / mark, FOLDER)
    _check_commits(folder, named)
    for path in (folder / name for name in named):
        hidden = path.name.startswith((".", "_"))
        if path.is_file():
            if not hidden:
                yield path
        elif path.is_dir() and not path.is_symlink():
            if not hidden:
                yield from _parts(path)
            elif not HARMLESS.fullmatch(path.name):
                raise _odd("a hidden folder", path)
        elif not hidden:
            raise _odd("something that is neither a file nor a folder, or a link to a folder", path)


def _check_commits(folder: Path, names: Sequence[str]) -> None:
    """Refuse what Databricks began and did not commit, and files that its commits have removed."""
    for name in names:
        if name.startswith("_started_") and name.replace("started", "committed", 1) not in names:
            raise WRITING.error(folder / name, FOLDER)
        if name.startswith("_committed_"):
            try:
                removed = msgspec.json.decode((folder / name).read_bytes(), type=_Commit).removed
            except msgspec.DecodeError:
                raise _odd("a commit that cannot be read", folder / name) from None
            if dead := sorted({file for file in removed if file in names}):
                raise _odd(f"a file that {name} has removed", folder / dead[0])


class _Commit(msgspec.Struct):
    """`_committed_N` of Databricks, which leaves a removed file in place for some days."""

    removed: list[str] = []


def _odd(what: str, path: Path) -> ConfigError:
    return ConfigError(
        f"Expected a folder of parts, got {what} among them - at {path}. Move it away if it does "
        "not belong to the portfolio, or score the parts without it."
    )
