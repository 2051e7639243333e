"""Arrow columns: an Arrow record batch becomes rows, with no step of Python per row.

Vectors find what is plainly right. Each value that they doubt is put to `Field.check`, which alone
decides and words it: the rows, and the refusals, are those of the one-application encoder.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bentoml_ext.arrays import Rows
from bentoml_ext.choices import like, some_of
from bentoml_ext.encoders.arithmetic import on_many
from bentoml_ext.encoders.arrow_texts import REFUSED, Category, places_of, write_places
from bentoml_ext.encoders.arrow_types import as_text, is_binary, plain_type
from bentoml_ext.encoders.arrow_values import (
    EXACT,
    Mask,
    as_numbers,
    doubted,
    is_null,
    is_text,
    is_text_codes,
    refusals,
    sentinels_in,
    undictionaried,
    value_at,
    without_nulls,
)
from bentoml_ext.encoders.encoder import FILL, Encoded, Encoder, Field
from bentoml_ext.encoders.field import FLOAT32_MAX
from bentoml_ext.encoders.filling import as_floats, table_of
from bentoml_ext.encoders.steps import (
    Codes,
    Indicator,
    Number,
    OneHot,
    Ranges,
    Step,
    Table,
)
from bentoml_ext.errors import InvalidApplication

__all__ = ["ColumnEncoder", "check_names"]


class ColumnEncoder:
    """Encodes record batches for one encoder. Not for two threads at once.

    A category may be text or dictionary codes of text; a number any integer, float or decimal.

    Args:
        encoder: whose fields and columns they are.
        text_numbers: whether a number may be text, as all is in CSV.
        decimal: the decimal sign of such a number.
        first_only: whether it is enough to know the first wrong value of each field.
    """

    def __init__(
        self,
        encoder: Encoder,
        *,
        text_numbers: bool = False,
        decimal: str = ".",
        first_only: bool = False,
    ) -> None:
        self._encoder = encoder
        self._most = 1 if first_only else None
        self._text_numbers, self._decimal = text_numbers, decimal
        blank = encoder.unmarked.astype(np.float32)
        # Numbers are always written, whatever the blank is. A row of one number is filled sooner.
        always = {Number, Ranges, Indicator}
        kept = [c for s in encoder.steps if type(s) not in always for c in s.columns_filled]
        found = np.unique(blank[kept] if kept else blank)
        self._blank = blank if len(found) > 1 else found[0]
        self._null = FILL[encoder.null]
        # As in Encoder.rows: -0.0 is 0.0 in a dense row, and itself in a sparse one.
        self._start = encoder.start
        self._rows = np.empty((0, encoder.n_features), np.float32)

    def encode(self, batch: pa.RecordBatch) -> Encoded:
        """The rows of a batch; a column without a field is ignored.

        Args:
            batch: a column for each field. What came over a network or from a file that may be
                damaged has been validated.

        Returns:
            The rows, in memory that the next call writes anew, and every wrong value.

        Raises:
            InvalidApplication: a field has no column, or two; a column is named as a feature is.
        """
        check_names(self._encoder, batch.schema.names)
        rows = self._blank_rows(len(batch))
        refused: list[InvalidApplication] = []
        encoder = self._encoder
        for field, steps in zip(encoder.fields, encoder.steps_by_field, strict=True):
            column = batch.column(field.name)
            refused += islice(self._write(field, steps[0], column, rows), self._most)
            for step in steps[1:]:
                # The first step has said what is wrong with the column.
                list(self._write(field, step, column, rows))
        self._encoder.mark(rows)
        if refused:
            # By row, then by field: sorting keeps the order of equals.
            refused.sort(key=lambda error: error.index or 0)
            rows = np.delete(rows, [error.index or 0 for error in refused], axis=0)
        return Encoded(rows, refused)

    def _blank_rows(self, n: int) -> Rows:
        if len(self._rows) < n:
            self._rows = np.empty((n, self._encoder.n_features), np.float32)
        rows = self._rows[:n]
        rows[:] = self._blank
        return rows

    def _write(
        self, field: Field, step: Step, column: pa.Array, rows: Rows
    ) -> Iterator[InvalidApplication]:
        """Write a column of applications, and say which of its values are refused."""
        if isinstance(step, Number):
            return self._write_number(field, step, column, rows)
        if isinstance(step, Ranges):
            return self._write_ranges(field, step, column, rows)
        if isinstance(step, Indicator):
            is_given = np.where(is_null(undictionaried(column)), step.null, step.given)
            rows[:, step.column] = is_given
            return iter(())
        if step.whole:
            return self._write_codes(field, step, column, rows)
        if is_binary(plain_type(column.type)):
            column = as_text(undictionaried(column))
        elif pa.types.is_run_end_encoded(column.type):
            column = undictionaried(column)
        if is_text(column.type):
            column = column.dictionary_encode()
        if is_text_codes(column.type):
            return self._write_texts(field, step, column, rows)
        return self._write_singly(field, step, column, rows)

    def _write_number(
        self, field: Field, step: Number, column: pa.Array, rows: Rows
    ) -> Iterator[InvalidApplication]:
        where, (low, high) = step.column, field.plain
        null = self._null if step.null is None else step.null
        decoded = undictionaried(column)
        numbers = self._numbers(field, decoded)
        if numbers is None:
            # Nulls have no type: where they may be, they are all that is right here.
            rows[is_null(decoded), where] = null
            return refusals(field, column, column, np.ones(len(column), np.bool_))
        whole = pa.types.is_integer(numbers.type)
        # The encoder's number for null, if the field takes it; otherwise one to be replaced below.
        filler = null if step.is_as_given and low <= null <= high else low
        values = without_nulls(numbers, filler)
        codes = sentinels_in(field, numbers.type)
        # A code that was rounded down lies below the range that `plain` leaves out.
        high = min([high, *(math.nextafter(code, -math.inf) for code in codes if code >= low)])
        plain = not len(values) or (
            not field.is_listed
            and values.min() >= low
            and values.max() <= min(high, EXACT if whole else high)
        )
        # `doubts` finds a value that overflows.
        with np.errstate(over="ignore", invalid="ignore"):
            if not step.is_as_given:
                rows[:, where] = on_many(step, values)
            elif plain and whole and not numbers.null_count:
                # Rounded once either way, and there is no -0.0.
                rows[:, where] = values
            else:
                np.add(values, self._start, out=rows[:, where], casting="same_kind")
        if numbers.null_count and filler != null:
            rows[is_null(numbers), where] = null
        if plain and numbers.null_count == (column.null_count if field.nullable else 0):
            return iter(())
        return doubted(field, column, numbers, values)

    def _write_ranges(
        self, field: Field, step: Ranges, column: pa.Array, rows: Rows
    ) -> Iterator[InvalidApplication]:
        """Numbers that are looked up by the range that they lie in."""
        numbers = self._numbers_or_nulls(field, column)
        # A null is looked up first, and written over.
        values = without_nulls(numbers, min(max(0.0, field.plain[0]), field.plain[1]))
        table = table_of(step)
        found = table[np.searchsorted(step.edges, values.astype(np.float64), side="right")]
        found[is_null(numbers)] = table[-1]
        rows[:, list(step.columns)] = found
        return doubted(field, column, numbers, values)

    def _numbers_or_nulls(self, field: Field, column: pa.Array) -> pa.Array:
        """The same without a dictionary; a column of another type is all null."""
        decoded = undictionaried(column)
        numbers = self._numbers(field, decoded)
        return pa.nulls(len(decoded), pa.float64()) if numbers is None else numbers

    def _numbers(self, field: Field, column: pa.Array) -> pa.Array | None:
        """Integers, floats or nulls; None for a column of another type."""
        kind = column.type
        if pa.types.is_boolean(kind) and field.boolean:
            return pc.cast(column, pa.int8())
        if pa.types.is_decimal(kind):
            # By way of text, because Arrow's own cast may miss the nearest float64.
            return pc.cast(pc.cast(column, pa.string()), pa.float64())
        if self._text_numbers and is_text(kind):
            return as_numbers(column, boolean=field.boolean, decimal=self._decimal)
        if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_null(kind):
            return column
        return None

    def _write_texts(
        self, field: Field, step: Category, column: pa.Array, rows: Rows
    ) -> Iterator[InvalidApplication]:
        """Texts as dictionary codes: each entry is looked up once."""
        texts = column.dictionary.to_pylist()
        # Code `len(texts)` stands for null and maps to -1, like any unknown text.
        places = np.array([*places_of(field, step, texts), REFUSED], np.int64)
        codes = column.indices
        if codes.null_count:
            codes = pc.fill_null(pc.cast(codes, pa.int64()), len(texts))
        code = codes.to_numpy(zero_copy_only=False)
        found_at = places[code]
        write_places(step, rows, found_at)
        if field.nullable:
            nulls = np.array([text is None for text in (*texts, None)])
            self._write_null(step, rows, nulls[code])
        return refusals(field, column, column, found_at == REFUSED)

    def _write_null(self, step: Category, rows: Rows, null: Mask) -> None:
        """Write null where it has a trace."""
        match step:
            case OneHot(null=int(own)):
                rows[null, own] = 1.0
            case OneHot(gap=int(column)) | Codes(column=column):
                rows[null, column] = self._start + self._null
            case Table(null=tuple(cells)):
                for at, cell in zip(step.columns, as_floats(cells), strict=True):
                    rows[null, at] = cell

    def _write_codes(
        self, field: Field, step: Category, column: pa.Array, rows: Rows
    ) -> Iterator[InvalidApplication]:
        """Categories that are numbers."""
        numbers = self._numbers_or_nulls(field, column)
        values = without_nulls(numbers, np.nan).astype(np.float64)
        said = np.array([int(one) for one in step.categories], np.float64)
        order = np.argsort(said)
        known = said[order]
        at = np.searchsorted(known, values).clip(max=len(known) - 1)
        (*places, other) = places_of(field, step, [*map(str, step.categories), "other"])
        found_at = np.where(known[at] == values, np.array(places, np.int64)[order[at]], other)
        found_at[np.isnan(values)] = REFUSED
        # Beyond float32 a number is refused, whichever the field takes besides.
        found_at[np.abs(values) > FLOAT32_MAX] = REFUSED
        write_places(step, rows, found_at)
        if field.nullable:
            self._write_null(step, rows, is_null(undictionaried(column)))
        return refusals(field, column, numbers, found_at == REFUSED)

    def _write_singly(
        self, field: Field, step: Category, column: pa.Array, rows: Rows
    ) -> Iterator[InvalidApplication]:
        """Values of another type, such as lists, one by one."""
        write = self._encoder.write
        column = undictionaried(column)
        for index in range(len(column)):
            try:
                value = value_at(field, column, index)
                field.check(value)
            except InvalidApplication as error:
                yield error.at(index)
            else:
                write(step, rows[index], value)


def check_names(encoder: Encoder, names: Sequence[str]) -> None:
    """Refuse columns among which a field has none, or two, or one is named as a feature is.

    Raises:
        InvalidApplication: names the field, and the column that may be meant.
    """
    counts = Counter(names)
    for field in encoder.fields:
        if (found := counts[field.name]) != 1:
            among = some_of(names) if any(map(str.strip, names)) else "none at all"
            got = f"{found or 'no'} columns of that name among {among}"
            if not found and (near := like(field.name, names)) is not None:
                got += f" (did you mean {near!r}?)"
            raise InvalidApplication(field.expected, got, field.name)
    if odd := encoder.one_hot.intersection(names):
        raise encoder.is_feature(min(odd))
