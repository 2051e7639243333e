"""Portfolios as files of every format, and what is read from their answers."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

import bentoml_ext
from bentoml_ext.offline.local_engine import run
from bentoml_ext.offline.plan import ScoreRequest
from bentoml_ext.offline.summary import Summary
from tests.support.small import assert_same_bits

__all__ = [
    "ROWS",
    "TAG",
    "WRITERS",
    "all_parts",
    "assert_answers",
    "bad",
    "folder",
    "read",
    "scored",
    "write_arrow",
    "write_csv",
    "write_parquet",
]

ROWS = 40_000
TAG = "credit_risk_model:latest"


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


def scored(request: ScoreRequest, backend: str = "auto", workers: int = 1) -> Summary:
    return run(request, bentoml_ext.get(TAG), backend, workers)


def assert_answers(table: pa.Table, expected: Iterable[Any], ids: Iterable[int]) -> None:
    """The table has these answers, in this order."""
    answers = list(expected)
    assert [int(value) for value in table["id"].to_pylist()] == list(ids)
    assert table["Status"].to_pylist() == [answer.status for answer in answers]
    margins = np.array([answer.margin for answer in answers], np.float32)
    probabilities = np.array([answer.probability for answer in answers], np.float32)
    assert_same_bits(expected=margins, got=float32(table, "margin"))
    assert_same_bits(expected=probabilities, got=float32(table, "probability"))


def float32(table: pa.Table, name: str) -> np.ndarray:
    column: np.ndarray = table[name].to_numpy().astype(np.float32)
    return column


def bad(portfolio: pa.Table) -> tuple[pa.Table, list[int]]:
    """The portfolio with wrong values here and there, and where."""
    rows = portfolio.to_pylist()
    rows[3]["age"] = -1.0
    rows[3]["home"] = "castle"
    rows[20_000]["records"] = None
    rows[ROWS - 1]["price"] = 99_999_999
    return pa.Table.from_pylist(rows, portfolio.schema), [3, 20_000, ROWS - 1]


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


def all_parts(output: Path) -> pa.Table:
    return pa.concat_tables([read(path) for path in sorted(output.rglob("*.parquet"))])
