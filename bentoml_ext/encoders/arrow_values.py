"""Arrow values: what is plain in a column, and what a field's own rules must see.

Numbers come as vectors; each value that a vector cannot judge is put to `Field.check`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from bentoml_ext.choices import spelled
from bentoml_ext.encoders.field import FLOAT32_MAX, Field
from bentoml_ext.errors import InvalidApplication

__all__ = [
    "EXACT",
    "Mask",
    "as_numbers",
    "doubted",
    "doubts",
    "is_null",
    "is_text",
    "is_text_codes",
    "refusals",
    "sentinels_in",
    "undictionaried",
    "without_nulls",
]

Mask: TypeAlias = npt.NDArray[np.bool_]

EXACT: Final = 2.0**53
"""Beyond it float64 has no place for every whole number."""

NUMBER: Final = r"^[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?$"

TRUE: Final = pa.array(["true", "True", "TRUE"])
FALSE: Final = pa.array(["false", "False", "FALSE"])


def is_text(kind: pa.DataType) -> bool:
    """Whether a column holds texts, of whatever layout."""
    checks = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)
    return any(check(kind) for check in checks)


def is_text_codes(kind: pa.DataType) -> bool:
    """Whether a column holds codes of texts."""
    return pa.types.is_dictionary(kind) and is_text(kind.value_type)


def as_numbers(column: pa.Array, *, boolean: bool = False, decimal: str = ".") -> pa.Array:
    """Text as float64; null for a text that is not a number.

    Args:
        column: texts.
        boolean: whether true and false, as CSV has them, are 1 and 0.
        decimal: the decimal sign. With a comma, a text with a point is not a number: the point
            may part thousands.
    """
    if decimal != ".":
        swapped = pc.replace_substring(column, decimal, ".")
        column = pc.if_else(pc.match_substring(column, "."), None, swapped)
    try:
        return pc.cast(column, pa.float64())
    except pa.ArrowInvalid:
        if boolean:
            column = pc.if_else(pc.is_in(column, TRUE), "1", column)
            column = pc.if_else(pc.is_in(column, FALSE), "0", column)
        is_number = pc.match_substring_regex(column, NUMBER)
        return pc.cast(pc.if_else(is_number, column, None), pa.float64())


def undictionaried(column: pa.Array) -> pa.Array:
    """The values behind dictionary codes, or of runs."""
    if pa.types.is_run_end_encoded(column.type):
        column = pc.run_end_decode(column)
    return column.dictionary_decode() if pa.types.is_dictionary(column.type) else column


def is_null(column: pa.Array) -> Mask:
    """bool, (n,)."""
    mask: Mask = column.is_null().to_numpy(zero_copy_only=False)
    return mask


def without_nulls(numbers: pa.Array, filler: float) -> npt.NDArray[Any]:
    """Integers as they are, all else as float64, with no nulls."""
    if pa.types.is_integer(numbers.type) and not numbers.null_count:
        whole: npt.NDArray[np.int64] = numbers.to_numpy()
        return whole
    if numbers.null_count:
        numbers = pc.fill_null(pc.cast(numbers, pa.float64(), safe=False), filler)
    wide: npt.NDArray[np.float64] = numbers.to_numpy(zero_copy_only=False)
    return wide.astype(np.float64, copy=False)


def sentinels_in(field: Field, kind: pa.DataType) -> dict[float, float]:
    """The field's sentinels as a column of a type holds them, each with its sentinel.

    float32 has no 99999999: such a column holds 100000000 in its place, and no reader knows
    which of the two was meant.
    """
    codes = {sentinel: sentinel for sentinel in field.sentinels}
    if pa.types.is_float16(kind) or pa.types.is_float32(kind):
        with np.errstate(over="ignore"):
            narrow = np.array(field.sentinels, kind.to_pandas_dtype())
        codes |= dict(zip(narrow.astype(np.float64).tolist(), field.sentinels, strict=True))
    return codes


def doubts(field: Field, values: npt.NDArray[Any], codes: Iterable[float], *, whole: bool) -> Mask:
    """Where a number is wrong, or may be: whole numbers may be rounded as float64."""
    limit = EXACT if whole else FLOAT32_MAX
    wide: npt.NDArray[np.float64] = values.astype(np.float64, copy=False)
    # Not `abs > limit`: NaN must not pass.
    doubtful: Mask = ~(np.abs(wide) <= limit) | np.isin(wide, list(codes))
    if field.minimum is not None:
        doubtful |= wide < field.minimum
    if field.maximum is not None:
        doubtful |= wide > field.maximum
    if field.is_listed:
        doubtful |= ~np.isin(wide, field.codes)
    return doubtful


def doubted(
    field: Field, column: pa.Array, numbers: pa.Array, values: npt.NDArray[Any]
) -> Iterator[InvalidApplication]:
    """What is wrong with a column of numbers.

    Args:
        field: whose column it is.
        column: as it came.
        numbers: the same as numbers; null in the place of another value.
        values: the same with a number in the place of null.
    """
    codes = sentinels_in(field, numbers.type)
    # `as_numbers` makes a null of a text that is not a number.
    nulls = is_null(numbers) & (not field.nullable or ~is_null(column))
    doubtful = nulls | doubts(field, values, codes, whole=pa.types.is_integer(numbers.type))
    return refusals(field, column, numbers, doubtful, codes)


def value_at(field: Field, column: pa.Array, index: int) -> Any:
    """One value of a column, as Python has it.

    Raises:
        InvalidApplication: Python has no such value, as of a date in the year 20 000.
    """
    try:
        return column[index].as_py()
    except (ValueError, OverflowError, KeyError):
        raise InvalidApplication(
            field.expected, "a value that cannot be read", field.name
        ) from None


def refusals(
    field: Field,
    column: pa.Array,
    numbers: pa.Array,
    doubtful: Mask,
    codes: Mapping[float, float] = MappingProxyType({}),
) -> Iterator[InvalidApplication]:
    """What `Field.check` says of the doubtful values: of the number, where there is one."""
    for index in np.flatnonzero(doubtful).tolist():
        try:
            value = value_at(field, numbers, index)
            field.check(value_at(field, column, index) if value is None else value)
            if value in codes:
                becomes = f"what {codes[value]:.17g}, a code for a missing value, becomes"
                got = f"{spelled(value)}, {becomes} in {numbers.type}"
                raise InvalidApplication(field.expected, got, field.name)
        except InvalidApplication as error:
            yield error.at(index)
