"""Row groups: a large Parquet file as several jobs, so that several workers can score it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from bentoml_ext.errors import UnreadableInput
from bentoml_ext.offline.file_job import Job

__all__ = ["PIECE_ROWS", "pieces"]

PIECE_ROWS: Final = 2**19
"""Rows of a piece, at least: half a second of work, beside which handing it out is nothing."""


def pieces(job: Job) -> Iterator[Job]:
    """The job in pieces of whole row groups, in order of their outputs' names.

    A job of one piece, or of another format, is itself.

    Raises:
        UnreadableInput: the source is not Parquet.
        OSError: there is no such file.
    """
    if job.source is None or job.output is None or job.source_form != "parquet":
        yield job
        return
    rows = _rows(job.source)
    cuts = _cuts(rows)
    if len(cuts) <= 2:
        yield job
        return
    for number, (start, stop) in enumerate(pairwise(cuts)):
        yield replace(
            job,
            output=_numbered(job.output, number),
            rejected=None if job.rejected is None else _numbered(job.rejected, number),
            groups=range(start, stop),
            first=sum(rows[:start]),
        )


def _rows(path: Path) -> list[int]:
    """Rows of each row group."""
    try:
        footer = pq.read_metadata(path)
    except pa.ArrowInvalid as error:
        reason = " ".join(str(error).split())
        raise UnreadableInput(f"Expected parquet, got: {reason} - at {path}.") from error
    return [footer.row_group(group).num_rows for group in range(footer.num_row_groups)]


def _cuts(rows: list[int]) -> list[int]:
    """Row groups that begin a piece, and the number of all; the last piece may be small."""
    cuts, held = [0], 0
    for group, count in enumerate(rows):
        held += count
        if held >= PIECE_ROWS or group == len(rows) - 1:
            cuts.append(group + 1)
            held = 0
    return cuts


def _numbered(path: Path, number: int) -> Path:
    return path.with_name(f"{path.stem}-{number:05}{path.suffix}")
