"""Applications: those of a file, block by block, with what beside them is asked for."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import TypeAlias

import msgspec
import numpy as np
import pyarrow as pa

from bentoml_ext.arrays import Bools, Rows
from bentoml_ext.encoders.encoder import Encoder
from bentoml_ext.errors import (
    ColumnMissing,
    ConfigError,
    InvalidApplication,
    TooLarge,
    UnreadableInput,
)
from bentoml_ext.formats.sources import open_source
from bentoml_ext.formats.spelling import PLAIN, Spelling
from bentoml_ext.formats.suffixes import form_of

__all__ = ["Applications", "Batch", "FileFacts", "Progress"]

Progress: TypeAlias = Callable[[int, "int | None", int], None]
"""Called after each block with the steps done, all of them if anyone knows, and the rows done."""


class FileFacts(msgspec.Struct, frozen=True, kw_only=True):
    """A file that was compared on.

    Args:
        name: of the file, without its folder.
        sha256: checksum in hex.
        rows: applications in it.
        refused: of them that a model refuses; they are left out of every figure.
        first_refusal: why the first of them is refused; empty where all are scored.
    """

    name: str
    sha256: str
    rows: int
    refused: int
    first_refusal: str = ""


@dataclass(frozen=True)
class Batch:
    """Some applications, in order.

    Args:
        rows: float32, of those that may be scored.
        good: bool, (n,): which of all applications these are.
        kept: by name, the columns to keep of all applications.
        texts: applications by their place among all of these, as JSON.
    """

    rows: Rows
    good: Bools
    kept: dict[str, pa.Array]
    texts: Callable[[Sequence[int]], list[str]]


@dataclass
class Applications:
    """The applications of one file under one encoder; counts what it has read.

    Args:
        path: of the file.
        encoder: whose fields they have.
        keep: further columns, and the option that names each.
        form: of the file; None for what its suffix says.
        spelling: of a file of text.
    """

    path: Path
    encoder: Encoder
    keep: Mapping[str, str] = field(default_factory=dict)
    form: str | None = None
    spelling: Spelling = PLAIN
    rows: int = field(default=0, init=False)
    refused: int = field(default=0, init=False)
    first_refusal: str = field(default="", init=False)

    def batches(self, on_progress: Progress | None = None) -> Iterator[Batch]:
        """All applications, block by block.

        Raises:
            UnreadableInput: the file is not what its format says, or lacks a field.
            ConfigError: it has no column of a name to keep, or no format is known.
        """
        form = form_of(self.path, self.form, "--from")
        self.spelling.check(form, self.path)
        given = dict.fromkeys(self.keep, False)
        try:
            with open_source(
                self.path, form, self.encoder, list(self.keep), spelling=self.spelling
            ) as source:
                blocks = source.kind(self.encoder, source.kept, first_only=False)
                for block in source.blocks:
                    (rows, refused), kept = blocks.encode(block)
                    good = self._judged(len(rows), refused)
                    columns = dict(zip(source.kept.names, kept, strict=True))
                    for name, column in columns.items():
                        given[name] = given[name] or column.null_count < len(column)
                    yield Batch(rows, good, columns, partial(blocks.texts, block))
                    if on_progress is not None:
                        on_progress(source.position(), source.total, self.rows)
        except ColumnMissing as error:
            raise error.named_by(self.keep[error.name]) from error
        except (InvalidApplication, TooLarge) as error:
            raise UnreadableInput(f"{str(error).rstrip('.')}, in {self.path}.") from error
        self._check(given)

    def _check(self, given: Mapping[str, bool]) -> None:
        """Refuse a column without a value: in NDJSON a wrong name looks like one."""
        for name, is_given in given.items():
            if self.rows and not is_given:
                raise ConfigError(
                    f"Expected a value in the column '{name}', got none in {self.rows:,} "
                    f"applications - at {self.keep[name]} of {self.path}."
                )

    @cached_property
    def sha256(self) -> str:
        """Checksum of the file, in hex."""
        with self.path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def facts(self) -> FileFacts:
        """What has been read by now."""
        return FileFacts(
            name=self.path.name,
            sha256=self.sha256,
            rows=self.rows,
            refused=self.refused,
            first_refusal=self.first_refusal,
        )

    def _judged(self, scored: int, refused: Sequence[InvalidApplication]) -> Bools:
        """Which applications of a block may be scored; counts the others."""
        wrong = sorted({error.index or 0 for error in refused})
        good: Bools = np.ones(scored + len(wrong), np.bool_)
        good[wrong] = False
        if wrong and not self.first_refusal:
            first = refused[0]
            self.first_refusal = f"{first.reason}, application {self.rows + (first.index or 0)}"
        self.rows += len(good)
        self.refused += len(wrong)
        return good
