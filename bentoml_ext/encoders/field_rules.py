"""Field rules: the fields of an encoder, as its steps know them and as rules narrow them."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec
import numpy as np

from bentoml_ext.encoders.arithmetic import holdable
from bentoml_ext.encoders.field import FLOAT32_MAX, Field, words
from bentoml_ext.encoders.filling import FILL
from bentoml_ext.encoders.steps import Codes, Indicator, Number, OneHot, Ranges, Step, Table
from bentoml_ext.errors import FeatureMismatch

__all__ = [
    "check_columns",
    "check_names",
    "check_spelling",
    "check_types",
    "field_of",
    "with_rules",
]

# JSON writes these as escapes, which no field of a message type of msgspec may have.
_ESCAPED: Final = re.compile(r'["\\\x00-\x1f]')


def field_of(steps: Sequence[Step]) -> Field:
    """The field of its steps, with no rule but what it can be.

    Raises:
        FeatureMismatch: the sums of a step leave no number that float32 can hold, or the field is
            both a number and a category.
    """
    kinds = {isinstance(step, Number | Ranges) for step in steps if not isinstance(step, Indicator)}
    if len(kinds) > 1:
        raise FeatureMismatch(
            f"Expected steps of a number or of a category, got both - at field '{steps[0].field}'. "
            "Ranges look a number up."
        )
    field = _field_of(steps[0])
    ranges = [holdable(step) for step in steps if isinstance(step, Number) and step.sums]
    low = max((low for low, _ in ranges), default=-FLOAT32_MAX)
    high = min((high for _, high in ranges), default=FLOAT32_MAX)
    return msgspec.structs.replace(
        field,
        minimum=low if low > -FLOAT32_MAX else None,
        maximum=high if high < FLOAT32_MAX else None,
    )


def _field_of(step: Step) -> Field:
    if isinstance(step, OneHot | Table):
        nullable = step.null is not None or getattr(step, "gap", None) is not None
        if step.whole:
            return Field(step.field, nullable=nullable, codes=tuple(map(int, step.categories)))
        return Field(step.field, step.categories, nullable=nullable)
    if isinstance(step, Codes):
        return Field(step.field, step.texts, codes=step.numbers)
    if isinstance(step, Ranges):
        return Field(step.field, nullable=step.null is not None)
    return Field(step.field)


def check_names(features: Sequence[str], separator: str) -> None:
    """Refuse an empty separator, and a name that is not a text or stands twice.

    Raises:
        FeatureMismatch: says which.
    """
    if not separator:
        raise FeatureMismatch("Expected a separator, got an empty text - at the encoder.")
    if odd := [name for name in features if not isinstance(name, str)]:
        raise FeatureMismatch(f"Expected feature names, got {words(odd[0])} - at features.")
    if len(set(features)) != len(features):
        raise FeatureMismatch("Expected every feature name once, got one twice - at features.")


def check_spelling(fields: Iterable[str]) -> None:
    """Refuse names of fields that no application in JSON can hold as they are.

    Raises:
        FeatureMismatch: names the field.
    """
    for name in fields:
        if found := _ESCAPED.search(name):
            raise FeatureMismatch(
                f"Expected a field's name without quotes, backslashes and control characters, got "
                f"{found[0]!r} in {name!r:.60} - at features. Rename the column before training, "
                "or, of a booster without names, in --features."
            )


def check_columns(steps: Sequence[Step], n_features: int) -> None:
    """Refuse steps that do not fill every column once.

    Raises:
        FeatureMismatch: says which columns they fill.
    """
    filled = sorted(column for step in steps for column in step.columns_filled)
    if filled != list(range(n_features)):
        raise FeatureMismatch(
            f"Expected steps that fill each of {n_features} columns once, got {filled[:20]} "
            "- at the encoder."
        )


def with_rules(known: Mapping[str, Field], rules: Collection[Field]) -> list[Field]:
    """Rules for the fields that the steps know; which categories exist is the model's word.

    Raises:
        FeatureMismatch: a rule for another field, or of another kind.
    """
    names = {rule.name for rule in rules}
    if names != set(known) or len(names) != len(rules):
        odd = sorted(names ^ set(known)) or sorted(names)
        raise FeatureMismatch(
            f"Expected rules for the fields {sorted(known)}, got {sorted(names)} - at '{odd[0]}'."
        )
    for rule in rules:
        if bool(rule.categories) != bool(known[rule.name].categories):
            raise FeatureMismatch(
                f"Expected {known[rule.name].expected}, got a rule for {rule.expected} "
                f"- at field '{rule.name}'."
            )
    return [_narrowed(rule, known[rule.name]) for rule in rules]


def _narrowed(rule: Field, own: Field) -> Field:
    """A rule with the model's categories, and without numbers that its columns cannot hold."""
    lows = [bound for bound in (rule.minimum, own.minimum) if bound is not None]
    highs = [bound for bound in (rule.maximum, own.maximum) if bound is not None]
    return msgspec.structs.replace(
        rule,
        categories=own.categories,
        codes=own.codes or rule.codes,
        minimum=max(lows, default=None),
        maximum=min(highs, default=None),
    )


def check_types(*given: Any) -> None:
    """Refuse arguments of another type or word, before one means something else.

    Raises:
        FeatureMismatch: names the argument.
    """
    features, fields, absent, null, missing, separator = given
    is_number = isinstance(missing, int | float | np.number) and not isinstance(missing, bool)
    for name, value, what, right in (
        ("features", features, "a list of names", _is_several(features)),
        ("fields", fields, "a list of bentoml_ext.Field", _are_fields(fields)),
        ("absent", absent, "'zero' or 'missing'", isinstance(absent, str) and absent in FILL),
        ("null", null, "'zero' or 'missing'", isinstance(null, str) and null in FILL),
        ("missing", missing, "a number or None", missing is None or is_number),
        ("separator", separator, "a text", isinstance(separator, str)),
    ):
        if not right:
            raise FeatureMismatch(f"Expected {what}, got {value!r:.60} - at {name} of the encoder.")
    for field in fields or ():
        _check_field(field)


def _check_field(field: Field) -> None:
    """Refuse a rule of another type, numpy's too, which no encoder.json could hold."""
    try:
        msgspec.json.decode(msgspec.json.encode(field), type=Field)
    except msgspec.ValidationError as error:
        what, _, place = str(error).partition(" - at ")
        raise FeatureMismatch(
            f"{what} - at {place.strip('`$.')} of field '{field.name}'."
        ) from None
    except TypeError as error:
        kind = str(error).removeprefix("Encoding objects of type ").partition(" ")[0]
        raise FeatureMismatch(
            f"Expected Python's own numbers and texts, got {kind} - at field '{field.name}'."
        ) from error


def _is_several(value: Any) -> bool:
    return isinstance(value, Iterable) and not isinstance(value, str | bytes | Mapping)


def _are_fields(value: Any) -> bool:
    return value is None or (_is_several(value) and all(isinstance(one, Field) for one in value))
