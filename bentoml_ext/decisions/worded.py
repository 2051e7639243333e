"""Worded: deciders that answer with the objective's predictions, in XGBoost's own bits."""

from __future__ import annotations

from typing import ClassVar

import msgspec
import numpy as np

from bentoml_ext.arrays import Bools, Floats, Ints, Margins, Predictions
from bentoml_ext.decisions.base import AnswerSchema, Column, Columns, Decider, Kind, no_answer
from bentoml_ext.decisions.policy import PROBABILITIES, Classes, Value
from bentoml_ext.objectives.base import Objective
from bentoml_ext.objectives.classes import first_largest

__all__ = ["ClassDecider", "ValueDecider"]


class _Worded(Decider):
    """Answers that are columns of predictions, put into JSON by the schema.

    Args:
        schema: of the answers.
        objective: makes predictions of margins.
        n_margins: of a row.
    """

    def __init__(self, schema: AnswerSchema, objective: Objective, n_margins: int) -> None:
        self.schema, self.objective, self.n_margins = schema, objective, n_margins
        self._openings = [f"{_text(column.name)}: " for column in schema.columns]
        self._texts = [[_text(value) for value in column.values] for column in schema.columns]

    def body(self, margins: Margins) -> bytes:
        if self.lost(margins).any():
            raise no_answer()
        found = self.columns(margins)
        parts = []
        for column, opening, texts in zip(
            self.schema.columns, self._openings, self._texts, strict=True
        ):
            value = found[column.name][0]
            parts.append(opening + (texts[value] if texts else _number(column, value)))
        return f"{{{', '.join(parts)}}}".encode()

    def lost(self, margins: Margins) -> Bools:
        finite = np.isfinite(self.objective.served(margins)).all(axis=1)
        return np.asarray(~finite | super().lost(margins))


class ValueDecider(_Worded):
    """The prediction itself: a number, or several for several targets or levels.

    Args:
        policy: names the answer.
        objective: of the model.
        n_margins: of a row.
    """

    says: ClassVar[str] = "The model's prediction, a float32 in the fewest digits that give it."

    def __init__(self, policy: Value, objective: Objective, n_margins: int) -> None:
        self.policy: Value = policy
        kind: Kind = "number" if n_margins == 1 else "numbers"
        column = Column(policy.key, kind, self.says, count=n_margins)
        super().__init__(AnswerSchema((column,)), objective, n_margins)

    def columns(self, margins: Margins) -> Columns:
        found = self.objective.served(margins)
        return {self.policy.key: found[:, 0] if self.n_margins == 1 else found}

    def decide(self, predictions: Predictions) -> Ints | None:
        return None


class ClassDecider(_Worded):
    """The label of the most probable class, and the probability of each where there is one.

    Args:
        policy: the labels, and the name of the answer.
        objective: of the model.
        n_margins: of a row.
    """

    def __init__(self, policy: Classes, objective: Objective, n_margins: int) -> None:
        self.policy: Classes = policy
        label = Column(policy.key, "text", "The most probable class.", policy.labels)
        count = len(policy.labels)
        each = Column(
            PROBABILITIES,
            "numbers",
            "The probability of each class.",
            each=policy.labels,
            count=count,
            minimum=0,
            maximum=1,
        )
        columns = (label, each) if policy.with_probabilities else (label,)
        super().__init__(AnswerSchema(columns), objective, n_margins)

    def columns(self, margins: Margins) -> Columns:
        found = self.objective.served(margins)
        answer: Columns = {self.policy.key: _classes(found)}
        if self.policy.with_probabilities:
            answer[PROBABILITIES] = found
        return answer

    def decide(self, predictions: Predictions) -> Ints | None:
        # argmax takes the first of equals, too; by another way than `columns`.
        whole = predictions.argmax(axis=1) if predictions.shape[1] > 1 else predictions[:, 0]
        return np.asarray(whole, np.int64)


def _classes(predictions: Predictions) -> Ints:
    """int64, (n,): the class that is predicted, or the first with the largest probability."""
    found = predictions if predictions.shape[1] == 1 else first_largest(predictions)
    return found[:, 0].astype(np.int64)


def _text(text: str) -> str:
    return msgspec.json.encode(text).decode()


def _number(column: Column, value: Floats) -> str:
    """A number, an array of numbers, or an object with a key for each."""
    if column.kind == "number":
        return str(value)
    numbers = [str(number) for number in value]
    if not column.each:
        return f"[{', '.join(numbers)}]"
    pairs = zip(column.each, numbers, strict=True)
    return f"{{{', '.join(f'{_text(name)}: {number}' for name, number in pairs)}}}"
