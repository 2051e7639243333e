"""Suffixes: which format a file has, and which name the answers to it have."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from bentoml_ext.errors import ConfigError
from bentoml_ext.formats.unpacked import PACKED

__all__ = ["SUFFIXES", "form_of", "plainly"]

SUFFIXES: Final = {
    ".parquet": "parquet",
    ".pq": "parquet",
    ".csv": "csv",
    ".ndjson": "ndjson",
    ".jsonl": "ndjson",
    ".arrow": "arrow",
    ".arrows": "arrow",
    ".feather": "arrow",
}
"""Formats by the suffix of a file's name."""

READ_AS: Final = {".tsv": ".csv", ".tab": ".csv"}
"""Suffixes of files that are read as if they had another, and whose answers have the other."""

SHEETS: Final = (".xlsx", ".xls", ".xlsm", ".xlsb", ".ods", ".numbers")
"""Suffixes of spreadsheets, which are not read."""

REMEDIES: Final = {
    "Save the sheet as CSV UTF-8.": SHEETS,
    "Where each line is an object, say --from ndjson; write an array as lines.": (".json",),
    "Where it is delimited text whose first line has names, say --from csv.": (".txt", ".dat"),
    "Unpack it.": (
        *(".zip", ".tar", ".tgz", ".7z", ".rar", ".snappy", ".sz", ".deflate", ".br", ".lzo", ".z"),
        *(".zz", ".lzma", ".lz"),
    ),
    "Write the rows as Parquet.": (".orc", ".avro"),
    "Export it as CSV or Parquet.": (
        *(".rds", ".rda", ".rdata", ".sas7bdat", ".xpt", ".sav", ".zsav", ".por", ".dta"),
        *(".pkl", ".h5", ".db", ".sqlite", ".duckdb", ".mdb", ".dbf", ".html", ".xml"),
    ),
}
"""What to do about other files, by their suffixes."""


def plainly(path: Path) -> Path:
    """The name that answers to a file have: they are not compressed, and have no tabs."""
    inner = path.with_suffix("") if path.suffix.lower() in PACKED else path
    if (suffix := inner.suffix.lower()) in READ_AS:
        return inner.with_suffix(READ_AS[suffix])
    return inner if suffix in SUFFIXES else path


def _remedy(path: Path | None, option: str) -> str:
    """What to do about a place whose name gives no format."""
    is_sheet = path is not None and path.suffix.lower() in SHEETS
    if option == "--to":
        other = " A spreadsheet opens CSV: `-o NAME.csv`." if is_sheet else ""
        return f"Name the file, or its format by --to.{other}"
    suffixes = {suffix.lower() for suffix in path.suffixes[-2:]} if path else ()
    for remedy, kinds in REMEDIES.items():
        if any(suffix in kinds for suffix in suffixes):
            return remedy
    return (
        "Write the rows in one of these formats. In a folder, a file whose name begins with '_' or "
        "'.' is left out."
    )


def form_of(path: Path | None, given: str | None, option: str) -> str:
    """The format of a path; None for standard input or output.

    Args:
        path: of the file.
        given: the format that the user names.
        option: that names it.

    Raises:
        ConfigError: nothing does.
    """
    if given is not None:
        return given
    place = "standard input" if path is None else str(path)
    form = None
    if path is not None:
        named = plainly(path) if option == "--from" else path
        form = SUFFIXES.get(named.suffix.lower())
    if form is None:
        raise ConfigError(
            f"Expected {option} FORMAT or a suffix of {', '.join(SUFFIXES)}, got neither - at "
            f"{place}. {_remedy(path, option)}"
        )
    return form
