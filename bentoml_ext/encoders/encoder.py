"""Encoder: an application (a mapping of fields) becomes a row of float32 features.

The fields say what an application may hold, the steps which columns of the row it fills. Nothing of
scikit-learn is needed to read or to use one.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from bentoml_ext.arrays import Rows
from bentoml_ext.choices import spelled
from bentoml_ext.encoders.field import Application, Field, Unknown
from bentoml_ext.encoders.field_rules import (
    check_columns,
    check_names,
    check_spelling,
    check_types,
    field_of,
    with_rules,
)
from bentoml_ext.encoders.filling import FILL, MissingValue, start_of, write
from bentoml_ext.encoders.steps import OneHot, Step
from bentoml_ext.encoders.strict_json import Doubled
from bentoml_ext.encoders.vectorizer_names import steps_of_names
from bentoml_ext.errors import BundleError, InvalidApplication

__all__ = ["FILL", "Application", "Encoded", "Encoder", "Field", "MissingValue", "Unknown"]


class Encoded(NamedTuple):
    """Many applications, encoded.

    Args:
        rows: float32, (good, n_features), of those that may be scored, in order.
        refused: why the others may not: by rising index, one for each field that is wrong.
    """

    rows: Rows
    refused: list[InvalidApplication]


class _File(msgspec.Struct, frozen=True, omit_defaults=True):
    """encoder.json. Bundles of format 2 have a separator in place of steps."""

    features: list[str]
    fields: list[Field]
    absent: MissingValue
    null: MissingValue
    steps: list[Step] | None = None
    missing: float | None = None
    separator: str = "="


class Encoder:
    """Turns applications into float32 rows, by default as DictVectorizer.transform does.

    Args:
        features: names of the columns; by default, as DictVectorizer.feature_names_, they say
            which fields there are.
        fields: the fields of an application with their rules; by default those that the steps
            fill columns with, with no rule but the categories.
        separator: what stands between field and category in a feature name.
        absent: what a column holds for which the application has no entry. "zero" is what a dense
            DictVectorizer writes, "missing" (NaN) what XGBoost makes of a sparse one's gap.
        null: what a number becomes that is null: "missing" is DictVectorizer's own NaN, "zero"
            what training sees after `fillna(0)`.
        missing: a number that means missing besides NaN, compared in float32 with every cell; NaN,
            or an infinity, where no number does.
        steps: how fields fill columns; by default those that the feature names give. The first
            step of a field says what the field is.

    Raises:
        FeatureMismatch: the fields do not give these features.
    """

    def __init__(
        self,
        features: Sequence[str],
        fields: Sequence[Field] | None = None,
        *,
        separator: str = "=",
        absent: MissingValue = "zero",
        null: MissingValue = "zero",
        missing: float | None = None,
        steps: Sequence[Step] | None = None,
    ) -> None:
        check_types(features, fields, absent, null, missing, separator)
        self.features = tuple(features)
        self.absent: MissingValue = absent
        self.null: MissingValue = null
        self.says_missing = missing is not None
        self.missing = float(missing) if missing is not None and math.isfinite(missing) else None
        check_names(self.features, separator)
        if steps is None:
            names = () if fields is None else [field.name for field in fields]
            steps = steps_of_names(self.features, separator, names)
        by_field = grouped(steps)
        check_spelling(by_field)
        known = {field: field_of(own) for field, own in by_field.items()}
        self.fields = tuple(with_rules(known, fields) if fields is not None else known.values())
        self.steps_by_field: tuple[tuple[Step, ...], ...] = tuple(
            by_field[field.name] for field in self.fields
        )
        self.steps: tuple[Step, ...] = tuple(chain.from_iterable(self.steps_by_field))
        check_columns(self.steps, len(self.features))
        one_hot = [self.features[c] for step in self.steps for c in step.columns_filled]
        self.one_hot = frozenset(one_hot).difference(by_field)
        # All that has a meaning in an application: its fields, and what must not be there.
        self.names = self.one_hot.union(by_field)
        self.unmarked = unmarked(self.steps, len(self.features), FILL[absent])
        self.blank = self.unmarked.astype(np.float32)
        self.mark(self.blank)
        self.blank.flags.writeable = False

    @property
    def n_features(self) -> int:
        """Columns of a row."""
        return len(self.features)

    @property
    def start(self) -> float:
        """float64 that numbers are added to: 0 of a dense array, or -0.0, which changes none."""
        return start_of(self.absent)

    def marking(self, missing: float | None) -> Encoder:
        """The same encoder with another marker for missing."""
        return Encoder(
            self.features,
            self.fields,
            absent=self.absent,
            null=self.null,
            missing=missing,
            steps=self.steps,
        )

    def step(self, field: str) -> Step:
        """The first step that a field fills columns by: it says what the field is."""
        return self.steps_of(field)[0]

    def steps_of(self, field: str) -> tuple[Step, ...]:
        """The steps that a field fills columns by."""
        return tuple(step for step in self.steps if step.field == field)

    def check(self, application: Any) -> None:
        """Refuse an application that must not be scored.

        A key without a field is ignored, unless it is the name of a feature.

        Raises:
            InvalidApplication: names the field, what it takes and what came.
        """
        for error in self.wrong(application):
            try:
                raise error
            finally:
                # The error knows this frame: if the frame knew the error, both would stay, and the
                # application with them, until the collector comes.
                del error

    def wrong(self, application: Any) -> Iterator[InvalidApplication]:
        """All that `check` could say of an application, field by field."""
        if not isinstance(application, Mapping):
            yield InvalidApplication("an object of fields", spelled(application))
            return
        for field, (step, *_) in zip(self.fields, self.steps_by_field, strict=True):
            try:
                if field.name not in application:
                    raise InvalidApplication(field.expected, "nothing", field.name)
                if isinstance(application, Doubled) and (two := application.doubled(field.name)):
                    got = f"{len(two)} values, {' and '.join(map(spelled, two))}"
                    raise InvalidApplication(field.expected, got, field.name)
                value = application[field.name]
                # Found by its column: a field may have thousands of categories.
                if isinstance(value, str) and value in _texts_of(step):
                    continue
                field.check(value)
            except InvalidApplication as error:
                yield error
        yield from map(self.is_feature, sorted(self.one_hot.intersection(application)))

    @staticmethod
    def is_feature(name: str) -> InvalidApplication:
        """The refusal of a key that names a feature, and not a field."""
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

        Like DictVectorizer.transform: what no step knows leaves no trace. Numbers are rounded
        once, from float64 to float32.

        Returns:
            float32, (len(applications), n_features).
        """
        wide = np.tile(self.unmarked, (len(applications), 1))
        for step in self.steps:
            for row, application in zip(wide, applications, strict=True):
                if step.field in application:
                    self.write(step, row, application[step.field])
        # A value beyond float32 becomes infinite here; `check` refuses it.
        with np.errstate(over="ignore"):
            rows = wide.astype(np.float32)
        self.mark(rows)
        return rows

    def write(self, step: Step, row: npt.NDArray[Any], value: Any) -> None:
        """Write one value of an application, which passed `check`, where its step says.

        Args:
            step: of this encoder.
            row: floats, (n_features,), as blank as nothing else was written.
            value: of the field.
        """
        write(step, row, value, absent=self.absent, null=self.null)

    def mark(self, rows: Rows) -> None:
        """Turn cells that hold the marker for missing into NaN, in place; nothing without one.

        Args:
            rows: float32, of any shape.
        """
        if self.missing is not None:
            rows[rows == np.float32(self.missing)] = np.nan

    def to_json(self) -> bytes:
        """encoder.json."""
        file = _File(
            list(self.features),
            list(self.fields),
            self.absent,
            self.null,
            list(self.steps),
            self.missing,
        )
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
            missing=file.missing,
            steps=file.steps,
        )


def _texts_of(step: Step) -> Mapping[str, object]:
    """The texts that a step has columns for; whole numbers in digits are not texts."""
    return step.columns if isinstance(step, OneHot) and not step.whole else {}


def grouped(steps: Iterable[Step]) -> dict[str, tuple[Step, ...]]:
    """The steps of each field, in order."""
    found: dict[str, tuple[Step, ...]] = {}
    for step in steps:
        found[step.field] = (*found.get(step.field, ()), step)
    return found


def unmarked(steps: Iterable[Step], n_features: int, absent: float) -> npt.NDArray[np.float64]:
    """float64, (n_features,): a row of an application without entries, the marker not applied."""
    row = np.full(n_features, absent)
    for step in steps:
        if isinstance(step, OneHot) and step.off is not None:
            row[list(step.columns_filled)] = step.off
    return row
