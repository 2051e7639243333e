from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from bentoml_ext.errors import BentoMLExtError
from models.course_csv import load
from models.errors import DataRefused
from models.fields import FIELDS

HEADER = (
    "Status,Seniority,Home,Time,Age,Marital,Records,Job,Expenses,Income,Assets,Debt,Amount,Price"
)
GOOD = "1,9,1,60,30,2,1,3,73,129,0,0,800,846"


@pytest.fixture
def written(tmp_path: Path) -> Path:
    return tmp_path / "credit.csv"


def csv(*rows: str, header: str = HEADER) -> str:
    return "\n".join((header, *rows)) + "\n"


def cell(name: str, text: str) -> str:
    """The good row with another text in one column."""
    cells = dict(zip(HEADER.split(","), GOOD.split(","), strict=True))
    assert name in cells
    return ",".join((cells | {name: text}).values())


def test_a_row_becomes_an_application_in_words(written: Path) -> None:
    written.write_text(csv(GOOD))
    dataset = load(written)

    assert dataset.applications == [
        {
            "seniority": 9,
            "home": "rent",
            "time": 60,
            "age": 30,
            "marital": "married",
            "records": "no",
            "job": "freelance",
            "expenses": 73,
            "income": 129.0,
            "assets": 0.0,
            "debt": 0.0,
            "amount": 800,
            "price": 846,
        }
    ]
    assert dataset.defaults.tolist() == [0]


@pytest.mark.parametrize("name", ["Income", "Assets", "Debt"])
def test_the_marker_of_a_missing_value_becomes_none(written: Path, name: str) -> None:
    written.write_text(csv(cell(name, "99999999")))

    assert load(written).applications[0][name.lower()] is None


def test_status_two_is_a_default_and_status_zero_is_dropped(written: Path) -> None:
    written.write_text(csv(GOOD, cell("Status", "0"), cell("Status", "2")))

    assert load(written).defaults.tolist() == [0, 1]


def test_a_byte_order_mark_windows_lines_and_further_columns_are_taken(written: Path) -> None:
    text = csv(GOOD + ",7", header=HEADER.upper() + ",Branch").replace("\n", "\r\n")
    written.write_bytes(b"\xef\xbb\xbf" + text.encode())

    assert list(load(written).applications[0]) == [field.name for field in FIELDS]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "got an empty file"),
        ("\n\n", "got an empty file"),
        (csv(), "Expected applications of known status, got none"),
        (csv(cell("Status", "0")), "Expected applications of known status, got none"),
        (csv(GOOD, header=HEADER.replace("Age", "Years")), "Expected a column 'age', got only"),
        (csv(GOOD, header=HEADER.replace("Age", "Price")), "Expected a column 'age'"),
        (csv(GOOD + ",1", header=HEADER + ",age"), "Expected a column 'age', got it twice"),
        (HEADER.replace(",", ";"), "Expected a column 'status', got only"),
        (csv(GOOD, GOOD + ",1"), "Expected 14 cells, got 15 - at line 3 of"),
        (csv(GOOD, '"1'), "Expected CSV, got"),
        (csv(GOOD, cell("Home", "7")), r"one of the codes 0, 1, .*'7' - at line 3 of .*'home'"),
        (csv(cell("Home", "rent")), r"Expected a number, got 'rent' - at line 2 of .*'home'"),
        (csv(cell("Home", "nan")), "column 'home'"),
        (csv(cell("Status", "3")), r"one of the codes 0, 1, 2, got '3' - at line 2 .*'status'"),
        (csv(cell("Age", "old")), r"Expected a number, got 'old' - at line 2 .*'age'"),
        (csv(cell("Age", "")), r"Expected a number, got '' - at line 2 .*'age'"),
        (csv(cell("Age", "-1")), r"at least 0, at most 150, got -1 - at line 2 .*'age'"),
        (csv(cell("Price", "99999999")), r"a code for a missing value - at line 2 .*'price'"),
        (csv(cell("Income", "nan")), r"column 'income'"),
        (csv(cell("Income", "9" * 50)), r"column 'income'"),
    ],
)
def test_a_bad_file_is_refused_with_the_place_and_the_reason(
    written: Path, text: str, message: str
) -> None:
    written.write_text(text)

    with pytest.raises(DataRefused, match=message) as refusal:
        load(written)
    assert "\n" not in str(refusal.value)
    assert str(written) in str(refusal.value)


def test_a_file_that_is_not_utf8_is_refused_with_the_line(written: Path) -> None:
    written.write_bytes(csv(GOOD).encode() + "señor".encode("latin-1"))

    with pytest.raises(DataRefused, match="Expected UTF-8 text, got byte 0xf1 - at line 3 of"):
        load(written)


def test_a_file_that_is_not_there_is_refused_and_so_is_a_folder(tmp_path: Path) -> None:
    with pytest.raises(DataRefused, match="Expected a readable file"):
        load(tmp_path / "nothing.csv")
    with pytest.raises(BentoMLExtError, match="Expected a readable file"):
        load(tmp_path)


def test_the_course_file_gives_4454_applications_that_pass_every_check(course_csv: Path) -> None:
    dataset = load(course_csv)

    assert (len(dataset), int(dataset.defaults.sum())) == (4454, 1254)
    for field in FIELDS:
        for application in dataset.applications:
            field.check(application[field.name])
    missing = {
        field.name: sum(application[field.name] is None for application in dataset.applications)
        for field in FIELDS
        if field.nullable
    }
    assert missing == {"income": 34, "assets": 47, "debt": 18}
    assert dataset.origin["sha256"] == hashlib.sha256(course_csv.read_bytes()).hexdigest()
