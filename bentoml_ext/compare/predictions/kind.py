"""Kind: what a model answers, which decides by which measures two of them are compared."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bentoml_ext.arrays import Floats, Margins, Predictions
from bentoml_ext.compare.beside import texts_of
from bentoml_ext.compare.predictions.answered import Numbers
from bentoml_ext.compare.subject import Subject
from bentoml_ext.decisions.bands import BandDecider
from bentoml_ext.decisions.worded import ClassDecider, ValueDecider
from bentoml_ext.errors import ConfigError

__all__ = ["Kind", "Task", "kind_of", "one_kind", "predictions_of"]

Task: TypeAlias = Literal["bands", "value", "order", "classes"]

ORDERS: Final = ("rank:", "survival:cox")
"""Objectives whose predictions have an order and no scale."""

SAID: Final[dict[Task, str]] = {
    "bands": "bands over a probability",
    "value": "a value",
    "order": "an order",
    "classes": "one of several classes",
}


@dataclass(frozen=True)
class Kind:
    """What a model answers.

    Args:
        task: see `Task`.
        labels: of the classes; empty of another task.
        has_chances: whether each class has a probability.
    """

    task: Task
    labels: tuple[str, ...] = ()
    has_chances: bool = False

    def __str__(self) -> str:
        return SAID[self.task] + (f" ({', '.join(self.labels)})" if self.labels else "")

    def values(self, predictions: Predictions) -> Floats:
        """float32, (n,): what is kept of the predictions of rows, float32, (n, m)."""
        if predictions.shape[1] == 1:
            return np.array(predictions[:, 0], np.float32)
        return np.array(predictions.argmax(axis=1), np.float32)

    def chances(self, predictions: Predictions, outcomes: Numbers) -> Floats:
        """float32, (n,): the probability of the class that came true; NaN without one."""
        found: Floats = np.full(len(outcomes), np.nan, np.float32)
        if self.has_chances:
            known = ~np.isnan(outcomes)
            found[known] = predictions[known, outcomes[known].astype(np.int64)]
        return found

    def gaps(self, before: Predictions, after: Predictions) -> Floats:
        """float32, (n,): how far predictions lie apart; of classes half the sum of all gaps."""
        if self.task == "classes" and not self.has_chances:
            return np.asarray(self.values(before) != self.values(after), np.float32)
        gaps = np.abs(after - before).sum(axis=1)
        return np.asarray(gaps / 2 if self.task == "classes" else gaps, np.float32)

    def outcomes(self, column: pa.Array, name: str) -> Numbers:
        """float64, (n,), NaN where it is unknown: numbers, or places of classes.

        Raises:
            ConfigError: no number, a label that the model does not have.
        """
        if self.labels:
            return self._places(column, name)
        found = _numbers(column, name)
        if self.task == "order" and (low := found[found < 0]).size:
            raise ConfigError(
                f"Expected numbers from 0 on, got {low[0]:g} - at the outcome '{name}'. The model "
                "answers an order: an outcome says how far ahead an application belongs."
            )
        return found

    def _places(self, column: pa.Array, name: str) -> Numbers:
        texts = texts_of(column)
        if column.type == pa.bool_():
            texts = pc.cast(pc.cast(column, pa.int8()), pa.string())
        places = pc.index_in(texts, value_set=pa.array(self.labels, texts.type))
        unknown = pc.and_(pc.is_null(places), pc.is_valid(texts))
        if wrong := texts.filter(unknown).to_pylist():
            raise ConfigError(
                f"Expected one of the labels {', '.join(self.labels)}, or nothing, got "
                f"'{wrong[0]}' - at the outcome '{name}'."
            )
        return np.asarray(pc.cast(places, pa.float64()).to_numpy(zero_copy_only=False), np.float64)


def kind_of(subject: Subject) -> Kind:
    """What a stored model answers.

    Raises:
        ConfigError: several numbers, which have no one outcome.
    """
    decider, objective = subject.bundle.decider, subject.bundle.manifest.objective
    if isinstance(decider, BandDecider):
        return Kind("bands")
    if isinstance(decider, ClassDecider):
        labels = tuple(map(str, decider.policy.labels))
        return Kind("classes", labels, decider.policy.with_probabilities)
    if not isinstance(decider, ValueDecider) or decider.schema.columns[0].kind != "number":
        raise ConfigError(
            f"Expected a model with one prediction, got several of '{objective}' - at "
            f"{subject.tag}. Compare its backends alone, without --with and --with-data."
        )
    return Kind("order" if objective.startswith(ORDERS) else "value")


def one_kind(first: Subject, second: Subject) -> Kind:
    """The kind of two versions.

    Raises:
        ConfigError: they are of two kinds, or have other labels.
    """
    one, other = kind_of(first), kind_of(second)
    if one != other:
        raise ConfigError(
            f"Expected two versions that answer the same, got {one} of {first.tag} and {other} of "
            f"{second.tag} - at --with. Other answers have no common measure."
        )
    return one


def predictions_of(subject: Subject, margins: Margins) -> Predictions:
    """The predictions that a model serves, float32, (n, m)."""
    decider = subject.bundle.decider
    columns = decider.columns(margins)
    last = columns[decider.schema.columns[-1].name]
    found = np.asarray(last, np.float32)
    return found[:, None] if found.ndim == 1 else found


def _numbers(column: pa.Array, name: str) -> Numbers:
    try:
        plain = texts_of(column) if pa.types.is_dictionary(column.type) else column
        found = np.array(pc.cast(plain, pa.float64()).to_numpy(zero_copy_only=False), np.float64)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise ConfigError(f"Expected numbers, got: {error} - at the outcome '{name}'.") from error
    if np.isinf(found).any():
        raise ConfigError(f"Expected finite numbers, got infinity - at the outcome '{name}'.")
    return found
