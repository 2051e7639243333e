"""Encoder: an application (a mapping of fields) becomes a row of float32 features.

The columns are those of scikit-learn's DictVectorizer: a number stands under its own name, a
category under `field=category` as 1 or 0. Nothing of scikit-learn is needed to read or to use one.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, Literal, NamedTuple, TypeAlias

import msgspec
import numpy as np

from bentoml_ext.arrays import Rows
from bentoml_ext.errors import BundleError, FeatureMismatch, InvalidApplication
from bentoml_ext.field import Application, Field, words

__all__ = ["FILL", "Application", "Encoded", "Encoder", "Field", "Filler"]

Filler: TypeAlias = Literal["zero", "missing"]

FILL: Final[Mapping[Filler, float]] = {"zero": 0.0, "missing": math.nan}
"""What a filler writes into a row."""


class Encoded(NamedTuple):
    """Many applications, encoded.

    Args:
        rows: float32, (good, n_features), of those that may be scored, in order.
        refused: why the others may not: by rising index, one for each field that is wrong.
    """

    rows: Rows
    refused: list[InvalidApplication]


class _File(msgspec.Struct, frozen=True):
    """encoder.json."""

    features: list[str]
    fields: list[Field]
    separator: str
    absent: Filler
    null: Filler


class Encoder:
    """Turns applications into float32 rows, exactly as DictVectorizer.transform does.

    Args:
        features: DictVectorizer.feature_names_, one per column.
        fields: the fields of an application with their rules; by default those that the feature
            names tell, with no rule but the categories.
        separator: what stands between field and category in a feature name.
        absent: what a column holds for which the application has no entry: "zero" is what a dense
            DictVectorizer writes, "missing" (NaN) what XGBoost makes of a sparse one's gap.
        null: what a number becomes that is null: "missing" is DictVectorizer's own NaN, "zero"
            what training sees after `fillna(0)`.

    Raises:
        FeatureMismatch: the fields do not give these features.
    """

    def __init__(
        self,
        features: Sequence[str],
        fields: Sequence[Field] | None = None,
        *,
        separator: str = "=",
        absent: Filler = "zero",
        null: Filler = "zero",
    ) -> None:
        self.features = tuple(features)
        self.separator = separator
        self.absent: Filler = absent
        self.null: Filler = null
        self.columns = {name: i for i, name in enumerate(self.features)}
        if len(self.columns) != len(self.features):
            raise FeatureMismatch("Expected every feature name once, got one twice - at features.")
        told = _fields_of(self.features, separator)
        self.fields = tuple(_with_rules(told, fields) if fields is not None else told.values())
        self.one_hot = frozenset(self.features).difference(told)
        # All that has a meaning in an application: its fields, and what must not be there.
        self.names = self.one_hot.union(told)

    @property
    def n_features(self) -> int:
        """Columns of a row."""
        return len(self.features)

    def with_rules(self, rules: Sequence[Field]) -> Encoder:
        """The same encoder under other rules (unit, minimum, nullable, sentinels).

        Raises:
            FeatureMismatch: the rules are for other fields.
        """
        return Encoder(
            self.features, rules, separator=self.separator, absent=self.absent, null=self.null
        )

    def check(self, application: Any) -> None:
        """Refuse an application that must not be scored.

        Keys that are no field are ignored, but for those that are a feature of the model.

        Raises:
            InvalidApplication: names the field, what it takes and what came.
        """
        for error in self.wrong(application):
            raise error

    def wrong(self, application: Any) -> Iterator[InvalidApplication]:
        """All that `check` could say of an application, field by field."""
        if not isinstance(application, Mapping):
            yield InvalidApplication("an object of fields", words(application))
            return
        for field in self.fields:
            try:
                if field.name not in application:
                    raise InvalidApplication(field.expected, "nothing", field.name)
                field.check(application[field.name])
            except InvalidApplication as error:
                yield error
        yield from map(self.is_feature, sorted(self.one_hot.intersection(application)))

    @staticmethod
    def is_feature(name: str) -> InvalidApplication:
        """What is said of a key that is none of a field but would count in a row."""
        return InvalidApplication("the name of a field", "that of a feature", name)

    def check_all(self, applications: Sequence[Any]) -> None:
        """Refuse a batch in which any application must not be scored.

        Raises:
            InvalidApplication: as `check`, with the index of the first such application.
        """
        for index, application in enumerate(applications):
            try:
                self.check(application)
            except InvalidApplication as error:
                raise error.at(index) from None

    def rows(self, applications: Sequence[Application]) -> Rows:
        """Rows of applications that passed `check`.

        Like DictVectorizer.transform: what the vocabulary does not know leaves no trace. Numbers
        are rounded once, from float64 to float32.

        Returns:
            float32, (len(applications), n_features).
        """
        wide = np.full((len(applications), self.n_features), FILL[self.absent])
        null = FILL[self.null]
        columns, separator = self.columns, self.separator
        # A dense array adds to 0, which turns -0.0 into 0.0; a sparse one keeps what it was given.
        start = 0.0 if self.absent == "zero" else -0.0
        for row, application in zip(wide, applications, strict=True):
            given: dict[int, float] = {}
            for name, value in application.items():
                is_text = isinstance(value, str)
                column = columns.get(f"{name}{separator}{value}" if is_text else name)
                if column is None:
                    continue
                number = 1.0 if is_text else null if value is None else value
                # A number named "a=b" and a category "b" of "a" share a column: both count.
                given[column] = given.get(column, start) + number
            for column, number in given.items():
                row[column] = number
        return wide.astype(np.float32)

    def to_json(self) -> bytes:
        """encoder.json."""
        file = _File(list(self.features), list(self.fields), self.separator, self.absent, self.null)
        return msgspec.json.format(msgspec.json.encode(file), indent=1)

    @classmethod
    def from_json(cls, data: bytes) -> Encoder:
        """Read encoder.json.

        Raises:
            BundleError: not an encoder.
        """
        try:
            file = msgspec.json.decode(data, type=_File)
        except msgspec.DecodeError as error:
            raise BundleError(f"Expected an encoder, got {error} - at encoder.json.") from error
        return cls(
            file.features,
            file.fields,
            separator=file.separator,
            absent=file.absent,
            null=file.null,
        )


def _fields_of(features: Sequence[str], separator: str) -> dict[str, Field]:
    """The fields that feature names tell of, in order of their first column."""
    categories: dict[str, list[str]] = {}
    for feature in features:
        name, found, category = feature.partition(separator)
        known = categories.setdefault(name, [])
        if found:
            known.append(category)
    mixed = [name for name in categories if categories[name] and name in features]
    if mixed:
        raise FeatureMismatch(
            f"Expected each field to be a number or a category, got both - at '{mixed[0]}'. "
            "Give it one type in training."
        )
    return {name: Field(name, tuple(known)) for name, known in categories.items()}


def _with_rules(told: Mapping[str, Field], rules: Sequence[Field]) -> list[Field]:
    """Rules for the fields that the features tell of; the categories are the model's word."""
    names = {rule.name for rule in rules}
    if names != set(told) or len(names) != len(rules):
        odd = sorted(names ^ set(told)) or sorted(names)
        raise FeatureMismatch(
            f"Expected rules for the fields {sorted(told)}, got {sorted(names)} - at '{odd[0]}'."
        )
    for rule in rules:
        if bool(rule.categories) != bool(told[rule.name].categories):
            raise FeatureMismatch(
                f"Expected {told[rule.name].expected}, got a rule for {rule.expected} "
                f"- at field '{rule.name}'."
            )
    return [msgspec.structs.replace(rule, categories=told[rule.name].categories) for rule in rules]
