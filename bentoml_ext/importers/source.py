"""Source: a model that was saved in another way, and what it says of itself.

A model of the course is a booster with a pickled DictVectorizer beside it. Others are a file of
XGBoost's own, with or without the names of its features. What such a source does not say of itself
is a `Reading`: given by the user, or found by a check against the user's own predictions.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

import msgspec

from bentoml_ext.backends.native_sum import as_its_estimator
from bentoml_ext.boosters.xgb.files import BoosterFile
from bentoml_ext.boosters.xgb.rounds import counting
from bentoml_ext.encoders.encoder import Encoder
from bentoml_ext.encoders.field import Field
from bentoml_ext.encoders.field_rules import field_of
from bentoml_ext.encoders.reading import Reading
from bentoml_ext.encoders.steps import Number, OneHot, Step
from bentoml_ext.encoders.user_rules import Rule, check_rules, ruled
from bentoml_ext.encoders.vectorizer_names import is_wordlike, steps_of_names
from bentoml_ext.errors import ImportRefused

if TYPE_CHECKING:
    import xgboost

__all__ = ["Imported", "Source"]

MARKERS: Final = (math.nan, -1.0, 0.0, -999.0, -9999.0, 999.0, 99999999.0)
"""Numbers that people write for missing, to be tried."""

NULLS: Final = frozenset({"nan", "None", "NaN", "<NA>", "NaT", "null", "NULL"})
"""What a column of a missing category is called by get_dummies(dummy_na=True) and others."""

SEPARATORS: Final = ("=", "_", "__", ": ", ":", "-", ".", " ", "|", "/")


@dataclass(frozen=True)
class Imported:
    """What a source is under one reading, ready for `bentoml_ext.save_model`.

    Args:
        model: Booster with the trees that count.
        encoder: application to row.
    """

    model: xgboost.Booster
    encoder: Encoder


@dataclass(frozen=True, eq=False)
class Source:
    """A model that was found, and what it says of itself.

    Args:
        name: as the user called it.
        file: its booster.
        features: names of its columns, in order.
        said: what the source itself says of how it is read.
        vectorizer: whether a DictVectorizer made its rows.
        rules: the fields' rules, for some or all of them.
        columns: names that fields have, where they are known: they part names of features.
        cut_offs: what was kept with the model under a name that says that it is a cut-off.
        sha256: of the booster's file.
    """

    name: str
    file: BoosterFile
    features: tuple[str, ...]
    said: Reading
    vectorizer: bool = False
    rules: tuple[Rule, ...] = ()
    columns: frozenset[str] = frozenset()
    cut_offs: Mapping[str, Any] = field(default_factory=dict)
    sha256: str = ""

    def read(self, reading: Reading) -> Imported:
        """The model under a reading; what neither it nor the source decides has its default.

        Raises:
            FeatureMismatch: the features do not give fields, or rules are for others.
        """
        reading = reading.over(self.said).over(Reading(separator="=", unknown="refuse"))
        steps = self.steps(str(reading.separator))
        check_rules(self.rules, [step.field for step in steps], self.features)
        encoder = Encoder(
            self.features,
            [self._ruled(step, reading) for step in steps],
            absent=reading.absent or "zero",
            null=reading.null or "missing",
            missing=reading.missing,
            steps=steps,
        )
        booster = counting(self.file.booster, reading.rounds)
        if self.file.estimator:
            booster = as_its_estimator(booster, self.file.kind)
        return Imported(booster, encoder)

    @property
    def stopped_early(self) -> bool:
        """Whether rounds lie behind the best iteration."""
        return self.file.best is not None

    @property
    def choices(self) -> Mapping[str, tuple[Any, ...]]:
        """What could be decided of this source, and between what; the assumed value first."""
        found: dict[str, tuple[Any, ...]] = {}
        if self._may_be_one_hot:
            if not self.file.parting <= set(self.file.categories):
                found["absent"] = ("zero", "missing")
            found["unknown"] = ("refuse", "zero")
        found["null"] = (None, "missing", "zero")
        if self.stopped_early:
            found["rounds"] = ("best", "all")
        found["missing"] = MARKERS
        used = [one for one in SEPARATORS if any(one in name for name in self.features)]
        used += sorted(self._seen_separators())
        if used:
            found["separator"] = tuple(dict.fromkeys(["=", *used]))
        first = dict(self.said.decided())
        return {
            name: tuple(dict.fromkeys([first.get(name, values[0]), *values]))
            for name, values in found.items()
        }

    @property
    def _may_be_one_hot(self) -> bool:
        """Whether under some separator a column is one of a category."""
        plain = [n for c, n in enumerate(self.features) if c not in self.file.categories]
        separators = [self.said.separator] if self.said.separator else SEPARATORS
        return any(separator in name for name in plain for separator in separators)

    def _seen_separators(self) -> set[str]:
        """What stands in names of features behind the name of a field that is known."""
        behind = (
            name.removeprefix(field)
            for field in self.columns
            for name in self.features
            if field and field != name and name.startswith(field)
        )
        return {found[0] for rest in behind if (found := re.match(r"[\W_]+", rest))}

    @property
    def is_dense(self) -> bool:
        """Whether a DictVectorizer wrote dense rows."""
        return self.vectorizer and self.said.absent == "zero"

    def with_columns(self, columns: Collection[str]) -> Source:
        """The same, knowing the columns of a file of applications: fields have such names.

        A file of a DictVectorizer's own rows holds no applications, and names no field.
        """
        parts = self.vectorizer and not is_wordlike(str(self.said.separator))
        if parts and set(self.features) <= set(columns):
            return self
        return replace(self, columns=self.columns.union(columns))

    def steps(self, separator: str) -> tuple[Step, ...]:
        """How fields fill the columns, under a separator.

        Raises:
            FeatureMismatch: names that can be read in several ways.
            ImportRefused: texts of categories that the file does not hold whole.
        """
        codes = self.file.categories
        names = [name for column, name in enumerate(self.features) if column not in codes]
        known = self.columns.union(rule.name for rule in self.rules)
        places = {name: column for column, name in enumerate(self.features)}
        of_names = steps_of_names(names, separator, known)
        parted = (self._with_null(_moved(step, names, places)) for step in of_names)
        steps = [*parted, *(self._coded(column) for column in codes)]
        return tuple(sorted(steps, key=lambda step: min(step.columns_filled)))

    def _with_null(self, step: Step) -> Step:
        """The step of a field that may be null; a category that is called so is null's own.

        Raises:
            ImportRefused: several are called so.
        """
        rule = next((rule for rule in self.rules if rule.name == step.field), None)
        if rule is None or not rule.field.nullable or not isinstance(step, OneHot):
            return step
        called = [text for text in step.columns if text in NULLS]
        if step.gap is not None or not called:
            return step
        if len(called) > 1:
            raise ImportRefused(
                f"Expected one category that null is, got {' and '.join(map(repr, called))} - at "
                f"field '{step.field}' of --fields. Leave `nullable` out, and send the text."
            )
        return msgspec.structs.replace(step, null=step.columns[called[0]])

    def _coded(self, column: int) -> Step:
        """The step of XGBoost's own categories; rules may give texts that the file lacks."""
        step = msgspec.structs.replace(self.file.categories[column], field=self.features[column])
        rule = next((rule for rule in self.rules if rule.name == step.field), None)
        given = () if rule is None else rule.field.categories
        count = len(step.texts)
        if column in self.file.garbled and len(given) != count:
            raise ImportRefused(
                f"Expected the {count} categories of '{step.field}', got texts that XGBoost did "
                f"not store whole - at {self.name}. Give them in the order of their codes, as "
                f'pandas sorts them: --fields FILE with {{"{step.field}": {{"categories": '
                "[...]}}."
            )
        if given and (column in self.file.garbled or not step.texts):
            return msgspec.structs.replace(step, texts=given, numbers=())
        if rule is not None and rule.field.codes and not step.texts:
            return msgspec.structs.replace(step, numbers=rule.field.codes)
        return step

    def _ruled(self, step: Step, reading: Reading) -> Field:
        """The field of a step: by its rule, or with what training would have taken."""
        rule = next((rule for rule in self.rules if rule.name == step.field), None)
        known = field_of((step,))
        is_flag = isinstance(step, Number) and step.column in self.file.flags
        own = Field(
            step.field,
            known.categories,
            codes=known.codes,
            # Null among the texts had a meaning in training; of a number somebody has to say it.
            nullable=(step.gap if isinstance(step, OneHot) else reading.null) is not None,
            # To training, true is 1: DictVectorizer and XGBoost both read it so.
            boolean=isinstance(step, Number),
            minimum=0 if is_flag else None,
            maximum=1 if is_flag else None,
            unknown=(reading.unknown or "refuse") if isinstance(step, OneHot) else "refuse",
            multiple=isinstance(step, OneHot) and self.vectorizer,
        )
        return own if rule is None else ruled(own, rule, step)


def _moved(step: Number | OneHot, names: Sequence[str], places: Mapping[str, int]) -> Step:
    """A step over some of the columns, as one over all of them."""
    if isinstance(step, OneHot):
        columns = {text: places[names[column]] for text, column in step.columns.items()}
        gap = None if step.gap is None else places[names[step.gap]]
        return msgspec.structs.replace(step, columns=columns, gap=gap)
    return msgspec.structs.replace(step, column=places[names[step.column]])
