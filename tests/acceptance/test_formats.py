"""Formats: a check's rows are the same from every kind of file, known by its content."""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bentoml_ext.acceptance import Check
from bentoml_ext.acceptance.predictions import read_predictions
from bentoml_ext.encoders.field import Field
from bentoml_ext.errors import UnreadableInput

FIELDS = (Field("age"), Field("home", ("rent", "owner")), Field("flag"))
OBJECTS: list[dict[str, Any]] = [
    {"age": 41, "home": "rent", "flag": True, "prediction": 0.25},
    {"age": None, "home": None, "flag": False, "prediction": 0.5},
    {"age": -1.5, "home": "owner, or so", "flag": True, "prediction": 0.125},
]


def frame() -> pd.DataFrame:
    return pd.DataFrame(OBJECTS)


def csv(separator: str = ",", **how: Any) -> bytes:
    return bytes(frame().to_csv(sep=separator, index=False, **how), "utf-8")


def parquet() -> bytes:
    return bytes(frame().to_parquet())


def arrow(opener: Callable[..., Any], kind: pa.DataType | None = None) -> bytes:
    table = pa.Table.from_pylist(OBJECTS)
    if kind is not None:
        column = table.column("home").cast(kind)
        table = table.set_column(table.column_names.index("home"), "home", column)
    sink = io.BytesIO()
    with opener(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()


FILES: dict[str, Callable[[], bytes]] = {
    "a.parquet": parquet,
    "b.csv": csv,
    "c.csv": lambda: csv(";"),
    "d.tsv": lambda: csv("\t"),
    "e.csv": lambda: b"\xef\xbb\xbf" + csv(lineterminator="\r\n"),
    "f.ndjson": lambda: b"\n".join(json.dumps(one).encode() for one in OBJECTS) + b"\n",
    "g.jsonl": lambda: frame().to_json(orient="records", lines=True).encode(),
    "h.json": lambda: json.dumps(OBJECTS, indent=2).encode(),
    "i.arrow": lambda: arrow(pa.ipc.new_file),
    "j.arrows": lambda: arrow(pa.ipc.new_stream),
    "k.feather": lambda: arrow(pa.ipc.new_file, pa.dictionary(pa.int8(), pa.string())),
    "l.arrow": lambda: arrow(pa.ipc.new_file, pa.string_view()),
    "m.csv.gz": lambda: gzip.compress(csv()),
    "n": csv,
    "o.parquet": csv,
    "p.csv": parquet,
}


@pytest.mark.parametrize("name", FILES)
def test_every_format_gives_the_same_applications_and_predictions(
    tmp_path: Path, name: str
) -> None:
    path = tmp_path / name
    path.write_bytes(FILES[name]())

    check = Check.read(path)

    found = check.given.applications(np.arange(3), FIELDS, ["prediction"])
    assert found == [{k: v for k, v in one.items() if k != "prediction"} for one in OBJECTS]
    assert read_predictions(check.given, ["prediction"]).numbers.tolist() == [0.25, 0.5, 0.125]


def test_nan_and_null_are_kept_apart_where_the_format_can(tmp_path: Path) -> None:
    table = pa.table({"age": pa.array([None, float("nan")]), "p": [0.5, 0.5]})
    pq.write_table(table, tmp_path / "a.parquet")
    (tmp_path / "b.ndjson").write_text('{"age": null, "p": 0.5}\n{"age": NaN, "p": 0.5}\n')
    (tmp_path / "c.json").write_text('[{"age": null, "p": 0.5}, {"age": NaN, "p": 0.5}]')
    (tmp_path / "d.csv").write_text("age,p\n,0.5\nnan,0.5\n")

    for name in ("a.parquet", "b.ndjson", "c.json", "d.csv"):
        first, second = Check.read(tmp_path / name).given.applications(np.arange(2), FIELDS, ["p"])
        assert first == {"age": None}
        assert np.isnan(second["age"])


def test_the_line_of_a_row_counts_header_blank_lines_and_lines_in_quotes(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text('age;home\n1;"two\nlines"\n\n2;x\n3;y\n')
    (tmp_path / "b.ndjson").write_text('\n{"age": 1}\n\n{"age": 2}\n')

    csv_rows, lines = (Check.read(tmp_path / name).given for name in ("a.csv", "b.ndjson"))

    assert [csv_rows.place(row) for row in range(3)] == [
        "row 0 (line 2)",
        "row 1 (line 5)",
        "row 2 (line 6)",
    ]
    assert lines.place(1) == "row 1 (line 4)"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "got"),
        (b"age,prediction\n", "got 0 rows"),
        (b"[]", "got 0 rows"),
        (b"\x80\x04\x95", "got a pickle"),
        (b"PK\x03\x04rest", "got a zip or Excel file"),
        ("age,p\n1,0.5\n".encode("utf-16"), "got text in UTF-16"),
        (b"age,p\n1,0.5\n\xff\xfe,1\n", "Expected a table, got"),
        (b"age,p\n1,0.5\n2\n", "Expected a table, got"),
        (b"PAR1 and no more", "Expected a table, got"),
        (b"ARROW1\0\0cut", "Expected a table, got"),
        (b"\x1f\x8bcut", "Expected a table, got"),
        (b'{"age": 1}\n{"age": \n', r"got expecting value.*at row 1 \(line 2\)"),
        (b'{"age": 1}\n[1]\n', r"an object of fields, got list - at row 1 \(line 2\)"),
        (b'[{"age": 1}, 3]', "an object of fields, got int - at row 1"),
        (b'[{"age": 1}', "at the check"),
        (b'{\n "age": [1, 2, 3]\n}', "one object for the whole file"),
        (b'{"age": {"0": 1, "1": 2, "2": 2}, "p": {"0": 1, "1": 2, "2": 2}}', "keys are age, p"),
        (b"age,p,age\n1,0.5,2\n", "every column once, got 'age' twice"),
    ],
    ids=repr,
)
def test_what_is_no_table_of_applications_is_refused(
    tmp_path: Path, data: bytes, message: str
) -> None:
    path = tmp_path / "check"
    path.write_bytes(data)

    with pytest.raises(UnreadableInput, match=message):
        Check.read(path)


@pytest.mark.parametrize("part", [5, 100, -100, -1])
def test_a_cut_parquet_file_is_refused(tmp_path: Path, part: int) -> None:
    path = tmp_path / "check.parquet"
    path.write_bytes(parquet()[:part])

    with pytest.raises(UnreadableInput, match="Expected a table, got"):
        Check.read(path)


def test_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnreadableInput, match="got a folder"):
        Check.read(tmp_path)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Check.read(tmp_path / "nothing.csv")
