"""User rules: rules of a user over the fields that a model has of its own."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Final

import msgspec

from bentoml_ext.choices import words
from bentoml_ext.encoders.field import Field
from bentoml_ext.encoders.steps import Codes, Indicator, Number, OneHot, Ranges, Step, Table
from bentoml_ext.errors import FeatureMismatch

__all__ = ["Rule", "check_rules", "ruled"]

HAVE_A_SAY: Final = {
    Number: {"unit", "minimum", "maximum", "nullable", "sentinels", "boolean", "seen"},
    OneHot: {"categories", "baseline", "unknown", "nullable", "multiple"},
    Codes: {"categories", "codes", "unit", "nullable"},
    Table: {"categories", "baseline", "unknown", "nullable"},
    Ranges: {"unit", "minimum", "maximum", "nullable", "sentinels", "boolean", "seen"},
    Indicator: {"nullable"},
}
"""What a rule can say of a field, by the step that fills the field's columns."""

WORDS: Final = {
    Number: "a number",
    OneHot: "a category with columns of its own",
    Codes: "XGBoost's own categories",
    Table: "a category that is looked up",
    Ranges: "a number that is looked up by its range",
    Indicator: "a field that may be null",
}


@dataclass(frozen=True)
class Rule:
    """What a user says of a field.

    Args:
        field: the rule.
        given: the keys that the user wrote; all others keep what the model says.
    """

    field: Field
    given: frozenset[str]

    @property
    def name(self) -> str:
        """Of the field."""
        return self.field.name


def check_rules(rules: Iterable[Rule], fields: Sequence[str], features: Collection[str]) -> None:
    """Refuse a rule for a field that a model does not have.

    Raises:
        FeatureMismatch: names it, and the field or the option that may be meant.
    """
    for rule in rules:
        if rule.name in fields:
            continue
        near = get_close_matches(rule.name, fields, 1)
        hint = f" Is it {words(near[0])}?" if near else ""
        if any(feature.startswith(rule.name) for feature in features):
            hint = " Columns begin so: --separator says what stands between field and category."
        raise FeatureMismatch(
            f"Expected rules of the fields {', '.join(map(words, fields[:20]))}, got one of "
            f"'{rule.name}' - at --fields.{hint}"
        )


def ruled(own: Field, rule: Rule, step: Step) -> Field:
    """The field of a step as its rule has it; what the rule leaves out is the model's.

    Args:
        own: the field as the model describes it.
        rule: of the same name.
        step: of the field.

    Raises:
        FeatureMismatch: the rule says what has no meaning for such a field, or contradicts the
            model.
    """
    plain = Field(own.name)
    said = {key: getattr(rule.field, key) for key in rule.given}
    for key, value in said.items():
        is_said = value in (getattr(plain, key), getattr(own, key))
        if key not in HAVE_A_SAY[type(step)] and not is_said:
            raise FeatureMismatch(
                f"Expected a rule for {WORDS[type(step)]}, got '{key}' - at field '{own.name}' of "
                f"--fields. It may have {', '.join(sorted(HAVE_A_SAY[type(step)]))}."
            )
    for key in ("categories", "codes"):
        mine, theirs = getattr(own, key), said.pop(key, ())
        # The order of columns is that of the feature names; that of codes is part of the model.
        same = mine == theirs if isinstance(step, Codes) else set(mine) == set(theirs)
        if theirs and not same:
            raise FeatureMismatch(
                f"Expected the model's own {key} {_some(mine)}, got {_some(theirs)} - at field "
                f"'{own.name}' of --fields. Leave them out; further texts are its baseline."
            )
    return msgspec.structs.replace(own, **said)


def _some(values: Sequence[str | int]) -> str:
    listed = ", ".join(map(words, values[:8]))
    return f"{listed}, ..." if len(values) > 8 else listed or "(none)"
