"""Options: types that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import click

__all__ = ["CHOICE_FORMAT", "EXISTING_FILE", "format_option", "spelling_options"]

EXISTING_FILE: Final[Any] = click.Path(exists=True, dir_okay=False, path_type=Path)

CHOICE_FORMAT: Final = click.Choice(["parquet", "csv", "ndjson", "arrow"])

format_option: Final = click.option(
    "--from",
    "source_form",
    type=CHOICE_FORMAT,
    help="Format of the data.  [default: by its suffix]",
)
"""Of a command that reads --data."""

SPELLING: Final[tuple[Callable[[Any], Any], ...]] = (
    click.option(
        "--encoding",
        metavar="NAME",
        help="Of CSV or NDJSON, such as windows-1252.  [default: UTF-8, or by its byte-order mark]",
    ),
    click.option(
        "--decimal",
        type=click.Choice([".", ","]),
        default=".",
        show_default=True,
        help="Decimal sign of the numbers in CSV.",
    ),
    click.option(
        "--null",
        "nulls",
        multiple=True,
        metavar="TEXT",
        help="Text of CSV for a value that is not given, such as NA; repeatable.  "
        "[default: nothing]",
    ),
    click.option(
        "--quotes",
        type=click.Choice(["double", "backslash", "none"]),
        help="Quotation marks in cells of CSV: double as of Excel, backslash as of Spark, or none "
        "where no cell is quoted, as of Hive.  [default: double; asked for where it is in doubt]",
    ),
)


def spelling_options(command: Any) -> Any:
    """Add the options for what no file of text says of itself."""
    for option in reversed(SPELLING):
        command = option(command)
    return command
