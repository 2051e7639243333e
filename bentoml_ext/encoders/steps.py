"""Steps: how the fields of an application fill the columns of a row, as data.

A mapping, JSON, Arrow columns and the ONNX graph interpret the same steps on their way to a row. A
field has one step or several. No interpreter knows how a feature is named.
"""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

import msgspec

__all__ = [
    "NO_COLUMN",
    "Cells",
    "Codes",
    "Indicator",
    "Number",
    "OneHot",
    "Operation",
    "Ranges",
    "Step",
    "Sum",
    "Table",
]


NO_COLUMN: Final = -1
"""Of a category of `OneHot` that leaves no trace: an encoder dropped its column."""

Cells: TypeAlias = tuple[float | None, ...]
"""float32 numbers of a row; None is missing."""


Operation: TypeAlias = Literal[
    "add", "subtract", "multiply", "divide", "at_least", "at_most", "as_single"
]


class Sum(msgspec.Struct, frozen=True, array_like=True):
    """One sum of a scaler.

    Args:
        operation: the number comes first, as in `number - operand`. "at_least" and "at_most" clip,
            "as_single" rounds to float32.
        operand: float64, finite; not 0 to divide by; 0 where nothing is done with it.
    """

    operation: Operation
    operand: float


class Number(msgspec.Struct, frozen=True, tag="number", omit_defaults=True):
    """A number stands in its column as it is, rounded to float32; true is 1 and false 0.

    Args:
        field: its name.
        column: where it stands.
        sums: what is done to it first, one after the other, in float64.
        single: whether it is rounded to float32 at first and after each sum.
        low: what a smaller result becomes.
        high: what a larger result becomes.
        null: what stands for null; None where the encoder says it.
    """

    field: str
    column: int
    sums: tuple[Sum, ...] = ()
    single: bool = False
    low: float | None = None
    high: float | None = None
    null: float | None = None

    @property
    def columns_filled(self) -> tuple[int, ...]:
        """Every column that the step may write."""
        return (self.column,)

    @property
    def is_plain(self) -> bool:
        """Whether the number is only rounded, and the encoder says what null is."""
        return self.is_as_given and self.null is None

    @property
    def is_as_given(self) -> bool:
        """Whether the number is only rounded."""
        return not self.sums and self.low is None and self.high is None


class OneHot(msgspec.Struct, frozen=True, tag="one_hot", omit_defaults=True):
    """A category is 1 in its column; a text without one leaves no trace.

    Args:
        field: its name.
        columns: the column of each category, or `NO_COLUMN`; rare ones may share a column.
        gap: the column in which null is missing, where training had one. A DictVectorizer that saw
            None among the texts of a field gives it a column under the field's own name.
        off: what the other columns hold; None where the encoder says it.
        null: the column in which null is 1.
        other: the column in which any other text is 1, where the field takes it.
        whole: whether the categories are whole numbers, here in digits.
    """

    field: str
    columns: dict[str, int]
    gap: int | None = None
    off: float | None = None
    null: int | None = None
    other: int | None = None
    whole: bool = False

    @property
    def categories(self) -> tuple[str, ...]:
        """The categories, numbers in digits."""
        return tuple(self.columns)

    @property
    def columns_filled(self) -> tuple[int, ...]:
        """Every column that the step may write."""
        known = (*self.columns.values(), self.gap, self.null, self.other)
        return tuple(dict.fromkeys(one for one in known if one is not None and one >= 0))

    @property
    def is_plain(self) -> bool:
        """Whether every category has a column, and neither null nor an unknown text has one."""
        is_full = NO_COLUMN not in self.columns.values()
        return is_full and self.null is None and self.other is None


class Codes(msgspec.Struct, frozen=True, tag="codes", omit_defaults=True):
    """A category is a number in one column: XGBoost's own categories.

    Args:
        field: its name.
        column: where it stands.
        texts: the categories in the order of their codes, from 0.
        numbers: the same, where the categories are numbers themselves.
    """

    field: str
    column: int
    texts: tuple[str, ...] = ()
    numbers: tuple[int, ...] = ()

    @property
    def whole(self) -> bool:
        """Whether the categories are whole numbers."""
        return bool(self.numbers)

    @property
    def categories(self) -> tuple[str, ...] | tuple[int, ...]:
        """The categories in the order of their codes."""
        return self.texts or self.numbers

    @property
    def columns_filled(self) -> tuple[int, ...]:
        """Every column that the step may write."""
        return (self.column,)


class Table(msgspec.Struct, frozen=True, tag="table", omit_defaults=True):
    """A category is looked up: its numbers stand in the step's columns.

    Args:
        field: its name.
        columns: where they stand.
        texts: the categories, each with as many float32 as there are columns; None is missing.
        null: the numbers of null; None where null is refused.
        other: the numbers of any other text, where the field takes it.
        whole: whether the categories are whole numbers, here in digits.
    """

    field: str
    columns: tuple[int, ...]
    texts: dict[str, Cells]
    null: Cells | None = None
    other: Cells | None = None
    whole: bool = False

    @property
    def categories(self) -> tuple[str, ...]:
        """The categories, numbers in digits."""
        return tuple(self.texts)

    @property
    def columns_filled(self) -> tuple[int, ...]:
        """Every column that the step may write."""
        return self.columns


class Ranges(msgspec.Struct, frozen=True, tag="ranges", omit_defaults=True):
    """A number is looked up by the range that it lies in: the range's numbers fill the columns.

    Args:
        field: its name.
        columns: where the numbers stand.
        edges: float64, rising; a range begins at its edge, and the first has none.
        cells: of each range, one more than edges: as many float32 as columns; None is missing.
        null: the numbers of null; None where null is refused.
    """

    field: str
    columns: tuple[int, ...]
    edges: tuple[float, ...]
    cells: tuple[Cells, ...]
    null: Cells | None = None

    @property
    def columns_filled(self) -> tuple[int, ...]:
        """Every column that the step may write."""
        return self.columns


class Indicator(msgspec.Struct, frozen=True, tag="indicator"):
    """One of two numbers says whether the field is null.

    Args:
        field: its name.
        column: where the number stands.
        given: the float32 of a value that is not null.
        null: the float32 of null.
    """

    field: str
    column: int
    given: float
    null: float

    @property
    def columns_filled(self) -> tuple[int, ...]:
        """Every column that the step may write."""
        return (self.column,)


Step: TypeAlias = Number | OneHot | Codes | Table | Ranges | Indicator
