"""Files as other tools write them: what can be read is read, what cannot is said beforehand."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bentoml_ext.backends.xgboost_native import XGBoostBackend
from bentoml_ext.decisions.bands import BandDecider
from bentoml_ext.encoders.encoder import Encoder, Field
from bentoml_ext.errors import ConfigError, UnreadableInput
from bentoml_ext.formats import arrow_limits, changed
from bentoml_ext.formats.spelling import Spelling
from bentoml_ext.offline.file_job import Job, score
from bentoml_ext.offline.plan import ScoreRequest, plan
from bentoml_ext.offline.summary import Summary
from bentoml_ext.scoring.scorer import Scorer
from tests.offline.portfolios import WRITERS, read, write_arrow
from tests.support import small
from tests.support.small import FEATURES, booster

HEADER, RECORDS = "id,age,home,income,note", ["a,41,rent,1.5,x", "b,30,owner,2,y", "c,25,rent,0,z"]
CSV = "\n".join([HEADER, *RECORDS, ""]).encode()
TABLE = pa.table(
    {
        "id": ["a", "b", "c"],
        "age": [41, 30, 25],
        "home": ["rent", "owner", "rent"],
        "income": [1.5, 2.0, 0.0],
    }
)


class Desk:
    """A small model, and a folder in which one file at a time is scored."""

    def __init__(self, folder: Path, *, nullable: bool = False, owner: str = "owner") -> None:
        self.folder = folder
        booster().save_model(folder / "booster.ubj")
        age = Field("age", boolean=True, nullable=nullable)
        rules = [age, Field("home", (owner, "rent")), Field("income")]
        features = [name.replace("owner", owner) for name in FEATURES]
        backend = XGBoostBackend(folder / "booster.ubj")
        self.scorer = Scorer(Encoder(features, rules), backend, BandDecider(small.policy()))

    def score(self, name: str, content: bytes | pa.Table, **how: Any) -> tuple[pa.Table, pa.Table]:
        """The answers to a file, and what was rejected; as Parquet."""
        path = self.folder / name
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            (write_arrow if path.suffix == ".arrow" else pq.write_table)(*_order(path, content))
        job = plan(ScoreRequest(str(path), str(self.folder / "out.parquet"), reject=True), "").jobs[
            0
        ]
        with_defaults: dict[str, Any] = {"rejected": self.folder / "bad.parquet", "keep": ("id",)}
        job = replace(job, **with_defaults | how)
        if job.rejected:
            job.rejected.unlink(missing_ok=True)
        self._run(job)
        answers = read(job.output or path)
        # Where nothing is rejected, nothing is written.
        if job.rejected and job.rejected.exists():
            return answers, read(job.rejected)
        return answers, answers.slice(0, 0)

    def all_of(self, source: Path, keep: tuple[str, ...] = ("id",)) -> pa.Table:
        """The answers to a folder, in order of `id`."""
        output = source.with_name("answers")
        shutil.rmtree(output, ignore_errors=True)
        jobs = plan(
            ScoreRequest(str(source), str(output), keep=keep, output_form="parquet"), ""
        ).jobs
        for job in jobs:
            self._run(job)
        return pa.concat_tables(read(job.output or source) for job in jobs).sort_by("id")

    def _run(self, job: Job) -> None:
        score(job, self.scorer, Summary("small:1", "xgboost"))

    @property
    def truth(self) -> list[float]:
        return [self.scorer.classify(one).margin for one in TABLE.drop_columns("id").to_pylist()]


def _order(path: Path, table: pa.Table) -> tuple[Any, Any]:
    return (path, table) if path.suffix == ".arrow" else (table, path)


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    return Desk(tmp_path_factory.mktemp("desk"))


def zst(data: bytes) -> bytes:
    return packed(data, "zstd")


def lz4(data: bytes) -> bytes:
    return packed(data, "lz4")


def packed(data: bytes, codec: str) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, codec) as stream:
        stream.write(data)
    made: bytes = sink.getvalue().to_pybytes()
    return made


def spoken(text: bytes) -> bytes:
    """As Excel writes it in much of Europe."""
    return b"\xef\xbb\xbfsep=;\r\n" + text.replace(b",", b";").replace(b"\n", b"\r\n")


def called(mark: str, text: bytes) -> bytes:
    """With a column in front whose name begins so."""
    return b"\n".join(mark.encode() + b"_ID," + line for line in text.splitlines())


TEXTS: dict[str, Callable[[bytes], bytes]] = {
    "plain.csv": lambda text: text,
    "semicolons.csv": lambda text: text.replace(b",", b";"),
    "tabs.tsv": lambda text: text.replace(b",", b"\t"),
    "bars.csv": lambda text: text.replace(b",", b"|"),
    "excel.csv": spoken,
    "mark.csv": lambda text: b"\xef\xbb\xbf" + text,
    "wide.csv": lambda text: text.decode().encode("utf-16"),
    "wide-tabs.tsv": lambda text: text.replace(b",", b"\t").decode().encode("utf-16"),
    "lines.csv": lambda text: text.replace(b"\n", b"\r\n"),
    "end.csv": lambda text: text.rstrip(b"\n"),
    "blanks.csv": lambda text: b"\n\n" + text.replace(b"\n", b"\n\n"),
    "quoted.csv": lambda text: text.replace(b"note", b'"no,\nte"').replace(b"x", b'"x,\n"'),
    "foreign.csv": lambda text: text.replace(b"x", b"\x80\x92").replace(b"note", b"n\xf6te"),
    "gzip.csv.gz": gzip.compress,
    "twice.csv.gz": lambda text: gzip.compress(text[:30]) + gzip.compress(text[30:]),
    "bzip.csv.bz2": bz2.compress,
    "xz.csv.xz": lzma.compress,
    "zstd.csv.zst": zst,
    # A frame to be skipped comes first, as pzstd writes it.
    "skipped.csv.zst": lambda text: b"\x52\x2a\x4d\x18\4\0\0\0abcd" + zst(text),
    "lz4.csv.lz4": lz4,
    "unnamed.csv": gzip.compress,
    # Names of columns that begin as other files do.
    **{f"{mark}.csv": partial(called, mark) for mark in ("ORC", "PAR1", "BZh", "RDX", "ARROW1")},
}


@pytest.mark.parametrize("name", TEXTS)
def test_a_text_file_of_any_tool_is_read(name: str, desk: Desk) -> None:
    answers, rejected = desk.score(name, TEXTS[name](CSV))

    assert answers["id"].to_pylist() == ["a", "b", "c"]
    assert answers["margin"].to_pylist() == desk.truth
    assert len(rejected) == 0


@pytest.mark.parametrize("name", [name for name in TEXTS if name.count(".") == 2])
def test_compressed_lines_are_read_and_a_cut_file_gives_nothing(name: str, desk: Desk) -> None:
    lines = "".join(json.dumps(one) + "\n" for one in TABLE.to_pylist()).encode()
    name = name.replace("csv", "ndjson")
    pack = TEXTS[name.replace("ndjson", "csv")]

    answers, _ = desk.score(name, pack(lines))

    assert answers["margin"].to_pylist() == desk.truth
    with pytest.raises(UnreadableInput, match="Expected ndjson, got: "):
        desk.score(name, pack(lines * 100)[:-9])


def test_answers_to_a_compressed_file_are_named_as_plain_ones(tmp_path: Path) -> None:
    for name in ("a.csv.gz", "b.tsv", "c.ndjson.zst"):
        (tmp_path / name).touch()

    jobs = plan(ScoreRequest(str(tmp_path), str(tmp_path.parent / "out")), "").jobs
    single = plan(ScoreRequest(str(tmp_path / "a.csv.gz")), "").jobs

    assert [job.output and job.output.name for job in jobs] == ["a.csv", "b.csv", "c.ndjson"]
    assert [job.output and job.output.name for job in single] == ["a.scored.csv"]


def test_a_broken_line_is_rejected_with_its_number(desk: Desk) -> None:
    lines = [HEADER, RECORDS[0], "b,30,owner", "", RECORDS[1], "c,25,castle,0,z", "d,1,rent,0,z,z"]

    answers, rejected = desk.score("broken.csv", "\n".join([*lines, RECORDS[2], "e"]).encode())

    assert answers["id"].to_pylist() == ["a", "b", "c"]
    assert answers["margin"].to_pylist() == desk.truth
    assert rejected["row"].to_pylist() == [1, 3, 4, 6]
    assert rejected["id"].to_pylist() == [None, "c", None, None]
    assert rejected["reason"].to_pylist() == [
        "Expected 5 cells, got 3",
        "Expected one of 'owner', 'rent', got \"castle\" - at field 'home'",
        "Expected 5 cells, got 6",
        "Expected 5 cells, got 1",
    ]
    assert rejected["application"][0].as_py() == "b,30,owner"


def test_broken_lines_of_many_blocks_keep_their_numbers(desk: Desk) -> None:
    lines = [RECORDS[0] if row % 7 else "x" for row in range(200_000)]

    answers, rejected = desk.score("long.csv", "\n".join([HEADER, *lines]).encode())

    assert rejected["row"].to_pylist() == list(range(0, 200_000, 7))
    assert len(answers) + len(rejected) == 200_000


def test_a_broken_line_ends_a_run_that_rejects_nothing(desk: Desk) -> None:
    text = CSV + b"d,1,rent\n"

    with pytest.raises(UnreadableInput, match=r"Expected 5 cells, got 3 - at application 3, in "):
        desk.score("broken.csv", text, rejected=None)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "Expected csv, got: an empty file"),
        (b"x,y\n", r"no columns of that name among x, y - at field 'age'"),
        (CSV.replace(b"age", b"Age"), r"\(did you mean 'Age'\?\) - at field 'age'"),
        (CSV.replace(b"rent", b"r\xe9nt"), "by `--encoding windows-1252`"),
        (CSV.replace(b",home", b",age"), "2 columns of that name .* at field 'age'"),
        (b"PK\x03\x04" + CSV, "a ZIP archive or an Excel workbook: unpack it"),
        (gzip.compress(CSV * 99, mtime=0)[:-9], "Truncated compressed stream"),
    ],
)
def test_a_text_file_that_cannot_be_read_says_why(content: bytes, told: str, desk: Desk) -> None:
    with pytest.raises(UnreadableInput, match=told):
        desk.score("bad.csv", content)


def test_true_and_false_are_numbers_where_the_field_says_so(desk: Desk) -> None:
    lines = [HEADER, "a,true,rent,1,x", "b,FALSE,owner,1,x", "c,1,rent,1,x", "d,yes,rent,1,x"]
    lines += ["e,1,rent,true,x"]

    answers, rejected = desk.score("flags.csv", "\n".join(lines).encode())
    coded = TABLE.set_column(1, "age", pa.array([True, False, True]))
    columns, _ = desk.score("flags.parquet", coded)

    assert answers["id"].to_pylist() == ["a", "b", "c"]
    assert answers["margin"][0] == answers["margin"][2] != answers["margin"][1]
    assert rejected["row"].to_pylist() == [3, 4]
    truth = coded.drop_columns("id").to_pylist()
    assert columns["margin"].to_pylist() == [desk.scorer.classify(one).margin for one in truth]


def texts(kind: pa.DataType) -> pa.Table:
    """The table with texts of another type."""
    table = TABLE
    for place in (0, 2):
        name = table.column_names[place]
        array = table[name].combine_chunks()
        if pa.types.is_dictionary(kind):
            array = pa.DictionaryArray.from_arrays(
                pa.array([0, 1, 2], kind.index_type), array.cast(kind.value_type)
            )
        table = table.set_column(place, name, array.cast(kind))
    return table


@pytest.mark.parametrize("suffix", ["parquet", "arrow"])
@pytest.mark.parametrize(
    "kind",
    [
        pa.string_view(),
        pa.large_string(),
        pa.dictionary(pa.int8(), pa.string()),
        pa.dictionary(pa.uint32(), pa.large_string()),
    ],
    ids=str,
)
@pytest.mark.parametrize("form", ["parquet", "csv", "ndjson", "arrow"])
def test_texts_of_any_type_are_read_kept_and_rejected(
    form: str, kind: pa.DataType, suffix: str, desk: Desk
) -> None:
    bad = texts(kind)
    wrong = bad.slice(0, 1).set_column(3, "income", pa.array([float("nan")]))
    bad = pa.concat_tables([bad, wrong]).combine_chunks()
    output, rejected = desk.folder / f"out.{form}", desk.folder / f"bad.{form}"

    desk.score(f"book.{suffix}", bad, output=output, rejected=rejected, output_form=form)

    answers = read(output)
    assert answers["id"].to_pylist() == ["a", "b", "c"]
    assert answers["margin"].to_pylist() == pytest.approx(desk.truth, abs=1e-6)
    assert read(rejected)["id"].to_pylist() == ["a"]


@pytest.mark.parametrize("kind", [pa.binary(), pa.large_binary(), pa.binary_view()], ids=str)
@pytest.mark.parametrize("suffix", ["parquet", "arrow"])
def test_categories_may_be_bytes(suffix: str, kind: pa.DataType, desk: Desk) -> None:
    homes = pa.array([b"rent", b"owner", b"\xff"], pa.binary()).cast(kind)

    answers, rejected = desk.score(f"bytes.{suffix}", TABLE.set_column(2, "home", homes))

    assert answers["margin"].to_pylist() == desk.truth[:2]
    assert rejected["row"].to_pylist() == [2]
    assert "got \"\N{REPLACEMENT CHARACTER}\" - at field 'home'" in rejected["reason"][0].as_py()


@pytest.mark.parametrize("suffix", ["parquet", "arrow"])
@pytest.mark.parametrize(
    ("column", "values", "told"),
    [
        ("income", pa.array([[1.0]] * 3), r"a column of list<.*>: write a column for each part"),
        ("home", pa.array([["rent"]] * 3), r"a column of list<.*>: write a column for each part"),
        ("income", pa.array([{"x": 1}] * 3), r"a column of struct<.*>: write a column for each"),
        ("income", pa.array(["1"] * 3), "a column of string: cast it to a number"),
        ("income", pa.array([date(2026, 1, 1)] * 3), r"a column of date32\[day\]: write the num"),
        ("income", pa.array([True] * 3), "a column of bool: cast it"),
        ("home", pa.array([1] * 3), "a column of int64: cast it"),
    ],
)
def test_a_column_of_which_no_value_can_be_right_is_told_first(
    column: str, values: pa.Array, told: str, suffix: str, desk: Desk
) -> None:
    place = TABLE.column_names.index(column)
    (desk.folder / "out.parquet").unlink(missing_ok=True)

    with pytest.raises(UnreadableInput, match=rf"{told}.* at field '{column}'"):
        desk.score(f"typed.{suffix}", TABLE.set_column(place, column, values))
    assert not (desk.folder / "out.parquet").exists()


@pytest.mark.parametrize("values", [[None, "30", None], ["41", "30", "25"], ["", "", ""]])
def test_a_type_for_nulls_alone_is_refused_where_it_holds_a_value(
    tmp_path: Path, values: list[str | None]
) -> None:
    desk = Desk(tmp_path, nullable=True)
    odd, none = (
        TABLE.set_column(1, "age", pa.array(one, pa.string())) for one in (values, [None] * 3)
    )

    answers, rejected = desk.score("none.parquet", none)
    assert (len(answers), len(rejected)) == (3, 0)
    with pytest.raises(UnreadableInput, match=r"column of string: cast it to a number.* 'age'"):
        desk.score("odd.parquet", odd)


def test_text_under_the_name_of_parquet_says_what_it_is(desk: Desk) -> None:
    with pytest.raises(UnreadableInput, match=r"text that begins with 'id,age,.* by --from csv"):
        desk.score("a.parquet", CSV)


@pytest.mark.parametrize("suffix", ["parquet", "arrow"])
@pytest.mark.parametrize("rows", [0, 3])
def test_a_text_column_that_is_absent_is_named(suffix: str, rows: int, desk: Desk) -> None:
    table = TABLE.slice(0, rows).rename_columns(["id", "age", "HOME", "income"])

    with pytest.raises(UnreadableInput, match=r"among id, age, HOME, .*mean 'HOME'.*'home', in "):
        desk.score(f"absent.{suffix}", table)


@pytest.mark.parametrize(
    ("form", "values"),
    [
        ("csv", pa.array([[1]] * 3)),
        ("csv", pa.array([{"x": 1}] * 3)),
        ("csv", pa.array([b"\xff"] * 3)),
        ("ndjson", pa.array([b"\xff"] * 3)),
    ],
)
def test_what_the_output_cannot_hold_is_told_before_a_row_is_scored(
    form: str, values: pa.Array, desk: Desk
) -> None:
    table = TABLE.append_column("more", values)
    desk.score("kept.parquet", table, keep=("more",))

    with pytest.raises(ConfigError, match=rf"that {form} can hold, got .* at --keep more\. Leave"):
        desk.score("kept.parquet", table, keep=("more",), output_form=form)


def test_a_column_to_keep_in_another_case_is_hinted_at(desk: Desk) -> None:
    with pytest.raises(ConfigError, match=r"got 'ID' - at --keep\. Did you mean 'id'\?"):
        desk.score("kept.parquet", TABLE, keep=("ID",))


KEYS = ["home", "age"]


def partitioned(folder: Path, *, own: bool, suffix: str = "parquet") -> Path:
    """As Hive, Spark, Polars and DuckDB part a table: by `home` and `age`; with `own`, kept too."""
    for row in range(len(TABLE)):
        one = TABLE.slice(row, 1)
        place = folder / f"home={one['home'][0]}" / f"age={one['age'][0]}"
        place.mkdir(parents=True)
        WRITERS[suffix](place / f"part-0.{suffix}", one if own else one.drop_columns(KEYS))
    return folder


@pytest.mark.parametrize("own", [False, True])
@pytest.mark.parametrize("suffix", ["parquet", "csv", "arrow", "arrows"])
def test_the_names_of_folders_are_columns(
    suffix: str, own: bool, desk: Desk, tmp_path: Path
) -> None:
    source = partitioned(tmp_path / "book", own=own, suffix=suffix)

    answers = desk.all_of(source, keep=("id", "home"))

    assert answers["id"].to_pylist() == ["a", "b", "c"]
    assert answers["home"].to_pylist() == ["rent", "owner", "rent"]
    assert answers["margin"].to_pylist() == desk.truth


def test_a_folder_may_say_null_and_signs_of_its_own(desk: Desk, tmp_path: Path) -> None:
    place = tmp_path / "book" / "home=rent" / "id=a%2Fb" / "age=__HIVE_DEFAULT_PARTITION__"
    place.mkdir(parents=True)
    pq.write_table(TABLE.slice(0, 1).drop_columns([*KEYS, "id"]), place / "part.parquet")

    with pytest.raises(UnreadableInput, match="got null - at field 'age' of application 0"):
        desk.all_of(tmp_path / "book", keep=("id",))
    nullable = Desk(tmp_path, nullable=True)
    answers = nullable.all_of(tmp_path / "book", keep=("id",))

    assert answers["id"].to_pylist() == ["a/b"]
    truth = nullable.scorer.classify({"age": None, "home": "rent", "income": 1.5}).margin
    assert answers["margin"].to_pylist() == [truth]


def test_a_folder_and_its_file_that_disagree_are_refused(desk: Desk, tmp_path: Path) -> None:
    source = partitioned(tmp_path / "book", own=True)
    (source / "home=rent").rename(source / "home=tent")

    with pytest.raises(UnreadableInput, match="'tent' as the folder's name says, got 'rent'"):
        desk.all_of(source)


def test_a_folder_that_names_no_number_for_a_number_is_refused(desk: Desk, tmp_path: Path) -> None:
    source = partitioned(tmp_path / "book", own=False)
    (source / "home=rent" / "age=41").rename(source / "home=rent" / "age=old")

    with pytest.raises(UnreadableInput, match=r"a column of string: cast it.* at field 'age'"):
        desk.all_of(source)


def test_lines_do_not_take_a_folder_s_value(desk: Desk, tmp_path: Path) -> None:
    source = partitioned(tmp_path / "book", own=False, suffix="ndjson")

    with pytest.raises(ConfigError, match="value of 'home' in each line of NDJSON"):
        desk.all_of(source)


def test_folders_of_different_names_are_refused(tmp_path: Path) -> None:
    for name in ("year=2025", "backup"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "part.parquet").touch()

    with pytest.raises(ConfigError, match=r"same columns in the names .*\['year'\].* - at "):
        plan(ScoreRequest(str(tmp_path), str(tmp_path.parent / "out")), "")


GERMAN = "id;age;home;income;note\na;41;rent;1,5;Süd\nb;30;owner;2;Köln\nc;25;rent;0;z\n"
COMMA = Spelling(decimal=",")
LATIN = Spelling("windows-1252")


def test_a_decimal_comma_is_read_where_it_is_named_and_kept_as_it_is(desk: Desk) -> None:
    answers, rejected = desk.score("a.csv", GERMAN.encode(), spelling=COMMA, keep=("id", "income"))

    assert answers["margin"].to_pylist() == desk.truth
    assert answers["income"].to_pylist() == ["1,5", "2", "0"]
    assert not len(rejected)


@pytest.mark.parametrize("number", ["1.500", "1.234,5", "1,234,567", "1 500,5", "1,5,"])
def test_what_may_part_thousands_is_no_number_beside_a_decimal_comma(
    desk: Desk, number: str
) -> None:
    text = GERMAN.replace("1,5;", f"{number};")
    answers, rejected = desk.score("a.csv", text.encode(), spelling=COMMA)

    assert answers["margin"].to_pylist() == desk.truth[1:]
    (reason,) = rejected["reason"].to_pylist()
    assert number in reason
    assert "field 'income'" in reason
    assert ("--decimal" in reason) == ("." in number)


def test_a_comma_in_a_number_says_how_it_is_read(desk: Desk) -> None:
    with pytest.raises(UnreadableInput, match="if the comma is the decimal sign, say so by --dec"):
        desk.score("a.csv", GERMAN.encode(), rejected=None)


@pytest.mark.parametrize(
    "encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-8-sig", "ascii"]
)
@pytest.mark.parametrize("end", ["\r\n", "\r", "\n\n", "\r\n\r\n"])
def test_a_text_tells_its_encoding_and_its_ends_of_lines(
    desk: Desk, encoding: str, end: str
) -> None:
    answers, rejected = desk.score("a.csv", CSV.decode().replace("\n", end).encode(encoding))

    assert answers["margin"].to_pylist() == desk.truth
    assert not len(rejected)


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
@pytest.mark.parametrize("later", [b"", b'"'])
def test_a_quotation_mark_that_swallows_records_is_refused(
    desk: Desk, end: bytes, later: bytes
) -> None:
    text = CSV.replace(b",x\n", b',"x\n').replace(b",z\n", b"," + 2 * later + b"z\n")

    with pytest.raises(UnreadableInput, match="a quotation mark that is not closed: 3 lines"):
        desk.score("a.csv", text.replace(b"\n", end))


@pytest.mark.parametrize("note", [b'5" pipe', b'"5"" pipe"', b'"two\nlines"', b'"a\n\n""b"'])
def test_quotation_marks_that_swallow_nothing_are_read(desk: Desk, note: bytes) -> None:
    answers, _ = desk.score("a.csv", CSV.replace(b",x\n", b"," + note + b"\n"))

    assert answers["margin"].to_pylist() == desk.truth


@pytest.mark.parametrize("name", ["a.csv", "a.ndjson"])
def test_texts_of_another_encoding_are_read_where_it_is_named(desk: Desk, name: str) -> None:
    text = "age,home,income\n41,Süd€,1.5\n"
    if name.endswith("json"):
        text = '{"age": 41, "home": "Süd€", "income": 1.5}\n'
    other = Desk(desk.folder, owner="Süd€")
    how: dict[str, Any] = {"keep": ("home",), "rejected": None}

    answers, _ = other.score(name, text.encode("windows-1252"), spelling=LATIN, **how)

    assert answers["home"].to_pylist() == ["Süd€"]
    owner = desk.scorer.classify({"age": 41, "home": "owner", "income": 1.5})
    assert answers["margin"].to_pylist() == [owner.margin]
    with pytest.raises(UnreadableInput, match="windows-1252"):
        other.score(name, text.encode("windows-1252"), **how)


@pytest.mark.parametrize(
    ("name", "spelling", "told"),
    [
        ("a.csv", Spelling("latin-9000"), "got 'latin-9000' - at --encoding"),
        ("a.csv", Spelling("base64"), "got 'base64' - at --encoding"),
        ("a.parquet", LATIN, "Expected CSV or NDJSON for --encoding, got parquet"),
        ("a.ndjson", COMMA, "Expected CSV for --decimal, got ndjson"),
        ("a.ndjson", Spelling(nulls=("NA",)), "Expected CSV for --null, got ndjson"),
        ("a.parquet", Spelling(quotes="none"), "Expected CSV for --quotes, got parquet"),
    ],
)
def test_a_spelling_that_a_file_cannot_have_is_refused_before_it_is_read(
    tmp_path: Path, name: str, spelling: Spelling, told: str
) -> None:
    (tmp_path / name).touch()

    with pytest.raises(ConfigError, match=told):
        plan(ScoreRequest(str(tmp_path / name), spelling=spelling), "")


NOTES = ['with "quotes" in', '."', "back\\slash", '\\"', "a,b", "two\nlines", "", "x", '"']


def noted(escape: str, delimiter: str = ",", end: str = "\n") -> bytes:
    """The records of `CSV` again and again, with odd notes in quotation marks."""
    lines = [HEADER.replace(",", delimiter)]
    for number, note in enumerate(NOTES):
        quoted = note.replace("\\", escape) if escape != '"' else note
        quoted = quoted.replace('"', escape[:1] + '"')
        record = RECORDS[number % 3].rpartition(",")[0].replace(",", delimiter)
        lines.append(f'{record}{delimiter}"{quoted}"')
    return (end.join(lines) + end).encode()


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|", "~", "\x01", " ", ":", "^"])
@pytest.mark.parametrize("quotes", ["backslash", "double"])
def test_quotation_marks_and_delimiters_of_every_tool(
    desk: Desk, quotes: str, delimiter: str
) -> None:
    text = noted("\\\\" if quotes == "backslash" else '"', delimiter)
    answers, rejected = desk.score(
        "a.csv", text, spelling=Spelling(quotes=quotes), keep=("id", "note")
    )

    assert answers["margin"].to_pylist() == desk.truth * 3
    assert [note or "" for note in answers["note"].to_pylist()] == NOTES
    assert not len(rejected)


def test_backslashes_are_read_alike_however_the_file_is_cut(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = noted("\\\\")
    for size in range(1, 40):
        monkeypatch.setattr(changed, "CHUNK", size)
        answers, _ = desk.score(
            "a.csv", text, spelling=Spelling(quotes="backslash"), keep=("id", "note")
        )
        assert [note or "" for note in answers["note"].to_pylist()] == NOTES


def test_a_quotation_mark_behind_a_backslash_is_asked_about(desk: Desk) -> None:
    # Read as of most tools, the second record is a part of the first one's note.
    text = CSV.replace(b",x\n", b',"x\\""\n').replace(b",y\n", b',"y\\""\n')

    with pytest.raises(UnreadableInput, match=r"say --quotes backslash .* or --quotes double"):
        desk.score("a.csv", text)
    answers, _ = desk.score("a.csv", text, spelling=Spelling(quotes="backslash"))
    assert answers["margin"].to_pylist() == desk.truth
    path = b'"C:\\"'
    answers, _ = desk.score(
        "a.csv", CSV.replace(b",x\n", b"," + path + b"\n"), spelling=Spelling(quotes="double")
    )
    assert answers["margin"].to_pylist() == desk.truth


def test_where_no_cell_is_quoted_a_quotation_mark_is_a_letter(desk: Desk) -> None:
    text = CSV.replace(b",x\n", b',"x\n').replace(b",", b"\x01")
    answers, _ = desk.score("a.csv", text, spelling=Spelling(quotes="none"), keep=("id", "note"))

    assert answers["margin"].to_pylist() == desk.truth
    assert answers["note"].to_pylist() == ['"x', "y", "z"]


@pytest.mark.parametrize("text", ["NA", r"\N", ".", "NULL", "nan"])
def test_a_text_for_no_value_is_read_where_it_is_named(tmp_path: Path, text: str) -> None:
    desk = Desk(tmp_path, nullable=True)
    content = CSV.replace(b"30", text.encode())
    truth = desk.scorer.classify({"age": None, "home": "owner", "income": 2.0}).margin

    answers, _ = desk.score("a.csv", content, spelling=Spelling(nulls=("?", text)))

    assert answers["margin"][1].as_py() == truth
    with pytest.raises(UnreadableInput) as told:
        desk.score("a.csv", content, rejected=None)
    assert f"say so by --null '{text}'" in str(told.value)


def test_a_category_cannot_stand_for_no_value(desk: Desk) -> None:
    with pytest.raises(ConfigError, match="got 'rent', which is one of field 'home' - at --null"):
        desk.score("a.csv", CSV, spelling=Spelling(nulls=("rent",)))


def test_lines_that_end_in_carriage_returns_may_have_a_cell_with_a_line_feed(desk: Desk) -> None:
    text = CSV.replace(b"\n", b"\r").replace(b",x\r", b',"two\nlines"\r')

    answers, rejected = desk.score("a.csv", text)

    assert answers["margin"].to_pylist() == desk.truth
    assert not len(rejected)


def test_a_broken_line_in_another_encoding_is_rejected_with_its_number(
    desk: Desk, capfd: pytest.CaptureFixture[str]
) -> None:
    text = CSV.replace(b",x\n", b",S\xfcd\n").replace(b",y\n", b",K\xf6ln,y\n")

    answers, rejected = desk.score("a.csv", text)

    assert answers["id"].to_pylist() == ["a", "c"]
    assert rejected["row"].to_pylist() == [1]
    assert rejected["reason"].to_pylist() == ["Expected 5 cells, got 6"]
    assert capfd.readouterr().err == ""
    with pytest.raises(UnreadableInput, match=r"column 'note'.*--encoding"):
        desk.score("a.csv", text, keep=("id", "note"))


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("a.json", b"[{}]", "Where each line is an object, say --from ndjson; write an array as"),
        ("a.txt", CSV, "say --from csv"),
        ("a.csv.zip", b"PK", "Unpack it"),
        ("a.csv.snappy", b"", "Unpack it"),
        ("a.csv.lzma", b"", "Unpack it"),
        ("a.duckdb", b"", "Export it as CSV or Parquet"),
        ("a.native", b"", "Write the rows in one of these formats"),
        ("a.sas7bdat", b"", "Export it as CSV or Parquet"),
        ("a.RData", b"", "Export it as CSV or Parquet"),
        ("a.orc", b"", "Write the rows as Parquet"),
    ],
)
def test_a_name_of_another_format_says_what_to_do(
    tmp_path: Path, name: str, content: bytes, told: str
) -> None:
    (tmp_path / name).write_bytes(content)

    with pytest.raises(ConfigError, match=told):
        plan(ScoreRequest(str(tmp_path / name)), "")


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("a.csv", gzip.compress(b"X\n\0\0\0\3", mtime=0), "an object of R"),
        ("a.csv", b"HEADER RECORD*******LIBRARY", "a transport file of SAS"),
        ("a.csv", b"$FL2@(#) SPSS", "a file of SPSS"),
        ("a.csv", b"\0\0\5v\0\0H" + CSV, "bytes that are not text: unpack it"),
        ("a.csv", CSV.decode().encode("utf-32-le"), "name its encoding, such as by --encoding"),
        ("a.csv", CSV.decode().encode("cp037"), "Name its encoding, such as by `--encoding"),
        ("a.csv", CSV.replace(b",", b", "), r"\(did you mean ' age'\?\)"),
        ("a.csv", b"  \n", "no columns of that name among none at all"),
        ("a.csv", b"\x1f\x9d\x90" + CSV, "compressed in a way that is not read: unpack it"),
        ("a.parquet", gzip.compress(b"PAR1", mtime=0), "compressed as a whole, by gzip: unpack it"),
        ("a.parquet", b"ORC\n\3\0", "ORC: write the rows as Parquet"),
        ("a.arrow", zst(b"ARROW1"), "compressed as a whole, by zstd: unpack it"),
        ("a.arrow", b"FEA1\0\0\0\0", "Feather of version 1: write version 2, or Parquet"),
        ("a.arrow", b"PAR1\x15\4", "Parquet: say so by --from parquet"),
        ("a.csv", CSV.partition(b"\n")[2], "The first line of CSV names its columns"),
        ("a.csv", CSV.replace(b"1.5", b'"1,234.5"'), "write thousands without signs"),
        ("a.csv", CSV.replace(b"\na", b"\n1,a"), "R's write.table"),
        ("a.ndjson", b'[{"age": 41}]', "one array: write each of its objects as a line"),
        ("a.ndjson", b'[\n{"age": 41},\n{}\n]', "one array"),
    ],
)
def test_a_file_of_another_kind_says_what_it_is(
    desk: Desk, name: str, content: bytes, told: str
) -> None:
    with pytest.raises(UnreadableInput, match=told):
        desk.score(name, content, rejected=None)


def test_an_arrow_file_that_unpacks_to_more_than_it_may_is_not_unpacked(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = desk.folder / "packed.arrow"
    options = pa.ipc.IpcWriteOptions(compression="zstd")
    many = pa.concat_tables([TABLE] * 1000).combine_chunks()
    with pa.ipc.new_file(path, many.schema, options=options) as writer:
        writer.write_table(many)
    monkeypatch.setattr(arrow_limits, "MAX_UNPACKED_BYTES", 10_000)

    with pytest.raises(UnreadableInput, match="at most 10000 bytes when unpacked"):
        desk.score("packed.arrow", path.read_bytes())
