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
from bentoml_ext.boosters.xgb.splits import of_ones_alone, of_zeros_and_ones
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

SEPARATORS: Final = ("=", "_", "__", ": ", ":", "-", ".", " ", "|", "/")

REMEDIES: Final = {
    "absent": "--absent zero where training saw dense rows, such as DictVectorizer(sparse=False), "
    ".toarray() or pandas; --absent missing where XGBoost was given sparse rows",
    "missing": "--missing 0 where XGBoost was given sparse rows that keep no 0, as OneHotEncoder "
    "and scipy.sparse.hstack make them; --missing nan where 0 is a number as any other",
    "rounds": "--rounds best where the model predicts by its best iteration, as early stopping "
    "suggests; --rounds all where Booster.predict was called as it is",
}


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
        steps = self._steps(str(reading.separator))
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

    def undecided(self, reading: Reading) -> list[str]:
        """Parts of a reading that matter here, that nobody decided, and that have no safe default.

        Without null or an unknown category decided, those values are refused, so they are safe.
        """
        reading = reading.over(self.said)
        steps = self._steps(reading.separator or "=")
        numbers = {step.column for step in steps if isinstance(step, Number)}
        one_hot = {c for step in steps if isinstance(step, OneHot) for c in step.columns_filled}
        # A sparse matrix keeps no 0, but for the one that a DictVectorizer writes.
        sparse = reading.absent == "missing" and (self._is_dense or not self.vectorizer)
        matters = {
            "absent": not self.file.parting.isdisjoint(one_hot),
            "rounds": self.stopped_early,
            "missing": not numbers.isdisjoint(of_ones_alone(self.file.booster))
            or (bool(one_hot) and sparse and not numbers.isdisjoint(self.file.parting)),
        }
        return [name for name in matters if matters[name] and getattr(reading, name) is None]

    def ask(self, reading: Reading) -> None:
        """Refuse a reading that leaves something open.

        Raises:
            ImportRefused: says which options decide it.
        """
        if missing := self.undecided(reading):
            raise ImportRefused(
                f"Expected --{' and --'.join(missing)}, got none - at {self.name}, which does not "
                f"say it. Give {'; and '.join(REMEDIES[name] for name in missing)}. Or give "
                "--check FILE with your applications and your model's own predictions of them."
                + (self._how_read(reading) if "absent" in missing else "")
            )
        self._contradict(reading.over(self.said))

    @property
    def _is_dense(self) -> bool:
        """Whether a DictVectorizer wrote dense rows."""
        return self.vectorizer and self.said.absent == "zero"

    def _how_read(self, reading: Reading) -> str:
        """The column that is read as a category first, for users to whom it is a number."""
        separator = reading.over(self.said).separator or "="
        named = [name for name in self.features if separator in name]
        if self.vectorizer or not named:
            return ""
        field, _, category = named[0].partition(separator)
        return (
            f" Column '{named[0]}' is read as category '{category}' of field '{field}'. Where it "
            "is a number of its own, give --separator a text that no column has."
        )

    def _contradict(self, reading: Reading) -> None:
        """Refuse `absent` where the splits of a category's column show that it was the other.

        Raises:
            ImportRefused: names the column.
        """
        steps = self._steps(reading.separator or "=")
        one_hot = {c for step in steps if isinstance(step, OneHot) for c in step.columns.values()}
        booster = self.file.booster
        # Where 0 itself means missing, dense rows hold 1 and nothing else, too.
        lone = of_ones_alone(booster) if reading.missing != 0 else frozenset()
        for absent, saw, columns in (
            ("zero", "1 and nothing else, as in sparse rows", lone),
            ("missing", "0 and 1, as in dense rows", of_zeros_and_ones(booster, one_hot)),
        ):
            if reading.absent == absent and (odd := sorted(one_hot.intersection(columns))):
                other = f"--absent {'missing' if absent == 'zero' else 'zero'}"
                # Dense rows that lost the zeros of categories lost those of numbers, too.
                cure = "--missing 0" if absent == "zero" and self._is_dense else other
                raise ImportRefused(
                    f"Expected {cure}, got --absent {absent} - at column {odd[0]}, "
                    f"'{self.features[odd[0]]}', of {self.name}: by its splits, training saw "
                    f"{saw}. Give {cure}, or --check FILE with your applications and your model's "
                    "own predictions of them."
                )

    def with_columns(self, columns: Collection[str]) -> Source:
        """The same, knowing the columns of a file of applications: fields have such names.

        A file of a DictVectorizer's own rows holds no applications, and names no field.
        """
        parts = self.vectorizer and not is_wordlike(str(self.said.separator))
        if parts and set(self.features) <= set(columns):
            return self
        return replace(self, columns=self.columns.union(columns))

    def _steps(self, separator: str) -> tuple[Step, ...]:
        codes = self.file.categories
        names = [name for column, name in enumerate(self.features) if column not in codes]
        known = self.columns.union(rule.name for rule in self.rules)
        places = {name: column for column, name in enumerate(self.features)}
        parted = (_moved(s, names, places) for s in steps_of_names(names, separator, known))
        steps = [*parted, *(self._coded(column) for column in codes)]
        return tuple(sorted(steps, key=lambda step: min(step.columns_filled)))

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
        is_flag = isinstance(step, Number) and self.file.kinds[step.column :][:1] == ("i",)
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
