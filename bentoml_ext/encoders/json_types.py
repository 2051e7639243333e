"""JSON types: what msgspec may take for a field, so that an application that it takes is right."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Annotated, Any, Self

import msgspec

from bentoml_ext.encoders.field import Field
from bentoml_ext.encoders.json_steps import codes_of, has_flags
from bentoml_ext.encoders.steps import Codes, OneHot, Step, Table

__all__ = ["Category", "categories", "is_plain", "type_of"]


class Category(float, Enum):
    """A category of a field: a float, so that `struct` packs it like the numbers.

    Args:
        column: of its feature, or its code; what it is worth as a float.
        said: what an application says, text or code; msgspec finds it by this, its value.
    """

    column: int

    def __new__(cls, column: int, said: str | int) -> Self:
        category = float.__new__(cls, column)
        category.column, category._value_ = column, said
        return category

    def __repr__(self) -> str:
        return repr(self._value_)


def type_of(field: Field, step: Step) -> Any:
    """What msgspec may take for a field: nothing that the encoder would refuse."""
    if isinstance(step, OneHot) and step.is_plain and not has_flags(field, step):
        # No null: it leaves no trace in a row, and the encoder knows how.
        return categories(codes_of(step))
    if isinstance(step, OneHot | Table):
        kind: Any = categories(codes_of(step))
        if has_flags(field, step):
            kind = bool | kind
    elif isinstance(step, Codes):
        said = step.texts or step.numbers
        kind = categories({one: code for code, one in enumerate(said)})
    else:
        kind = _number(field)
        if field.boolean:
            kind = bool | kind
    return kind | None if field.nullable else kind


def _number(field: Field) -> Any:
    """A number in the field's range; which codes are listed, the decoder sees itself."""
    low, high = (min(field.codes), max(field.codes)) if field.is_listed else field.plain
    return Annotated[float, msgspec.Meta(ge=low, le=high)]


def is_plain(steps: Sequence[Step]) -> bool:
    """Whether one step puts a number, a code or a 1 into a column, and no more."""
    (first, *others) = steps
    return not others and (isinstance(first, Codes) or getattr(first, "is_plain", False))


def categories(columns: Mapping[Any, int]) -> Any:
    # Members are numbered, because Enum does not take every text as a name.
    members = [
        (f"_{place}", (column, said)) for place, (said, column) in enumerate(columns.items())
    ]
    return Category("Category", members)  # type: ignore[arg-type]
