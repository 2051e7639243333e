"""Worded: deciders that answer with the objective's predictions, in XGBoost's own bits."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from math import isfinite
from typing import ClassVar, Final

import numpy as np

from bentoml_ext.arrays import Bools, Ints, Margins, Predictions
from bentoml_ext.decisions.base import AnswerSchema, Column, Columns, Decider, Kind, no_answer
from bentoml_ext.decisions.float_text import shortest
from bentoml_ext.decisions.line_layout import LineLayout
from bentoml_ext.decisions.policy import PROBABILITIES, Classes, Value
from bentoml_ext.objectives.base import Objective
from bentoml_ext.objectives.classes import first_largest

__all__ = ["ClassDecider", "ValueDecider", "WordedDecider"]

_FEW: Final = 8
"""Fewer margins are answered sooner one at a time."""

_NARROW: Final = 2
"""So many margins a row are put into words one at a time between requests."""


class WordedDecider(Decider):
    """Answers that are columns of predictions, put into JSON by the schema.

    Args:
        schema: of the answers.
        objective: makes predictions of margins.
        n_margins: of a row.
    """

    def __init__(self, schema: AnswerSchema, objective: Objective, n_margins: int) -> None:
        self.schema, self.objective, self.n_margins = schema, objective, n_margins
        self._layout = LineLayout(schema)

    @abstractmethod
    def of(self, predictions: Predictions) -> Columns:
        """The answers to predictions as columns, float32, (n, m)."""

    def columns(self, margins: Margins) -> Columns:
        return self.of(self.objective.served(margins))

    @abstractmethod
    def texts(self, predictions: list[float]) -> Sequence[str]:
        """The values of an answer as JSON, by the predictions of its row."""

    def body(self, margins: Margins) -> bytes:
        predictions = self.objective.served_one(margins)
        if not all(map(isfinite, predictions)):
            raise no_answer()
        return self._layout.line(self.texts(predictions)).encode()

    def bodies(self, margins: Margins, end: bytes) -> bytes:
        if len(margins) < _FEW:
            return super().bodies(margins, end)
        return self._layout.lines(self.columns(margins), end)

    def each(self, margins: Margins) -> list[bytes]:
        # Between requests the caches are cold: numpy's calls then take longer than a few texts.
        if self.n_margins <= _NARROW:
            return [self.body(row) for row in margins[:, None]]
        return super().each(margins)

    def lost(self, margins: Margins) -> Bools:
        finite = np.isfinite(self.objective.served(margins)).all(axis=1)
        return np.asarray(~finite | super().lost(margins))


class ValueDecider(WordedDecider):
    """The prediction itself: a number, or several for several targets or levels.

    Args:
        policy: names the answer.
        objective: of the model.
        n_margins: of a row.
    """

    says: ClassVar[str] = "The model's prediction, a float32 in the fewest digits that give it."

    def __init__(self, policy: Value, objective: Objective, n_margins: int) -> None:
        self.policy: Value = policy
        width = objective.width(n_margins)
        kind: Kind = "number" if width == 1 and not policy.names else "numbers"
        column = Column(policy.key, kind, self.says, each=policy.names, count=width)
        super().__init__(AnswerSchema((column,)), objective, n_margins)

    def of(self, predictions: Predictions) -> Columns:
        is_one = self.schema.columns[0].kind == "number"
        return {self.policy.key: predictions[:, 0] if is_one else predictions}

    def texts(self, predictions: list[float]) -> Sequence[str]:
        return list(map(shortest, predictions))

    def decide(self, predictions: Predictions) -> Ints | None:
        return None


class ClassDecider(WordedDecider):
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
            each=tuple(map(str, policy.labels)),
            count=count,
            minimum=0,
            maximum=1,
        )
        columns = (label, each) if policy.with_probabilities else (label,)
        super().__init__(AnswerSchema(columns), objective, n_margins)

    def of(self, predictions: Predictions) -> Columns:
        answer: Columns = {self.policy.key: _classes(predictions)}
        if self.policy.with_probabilities:
            answer[PROBABILITIES] = predictions
        return answer

    def texts(self, predictions: list[float]) -> Sequence[str]:
        is_class = len(predictions) == 1
        code = int(predictions[0]) if is_class else predictions.index(max(predictions))
        label = self._layout.text(self.policy.key, code)
        if not self.policy.with_probabilities:
            return (label,)
        return (label, *map(shortest, predictions))

    def decide(self, predictions: Predictions) -> Ints | None:
        # argmax takes the first of equals, too; by another way than `columns`.
        whole = predictions.argmax(axis=1) if predictions.shape[1] > 1 else predictions[:, 0]
        return np.asarray(whole, np.int64)


def _classes(predictions: Predictions) -> Ints:
    """int64, (n,): the class that is predicted, or the first with the largest probability."""
    found = predictions if predictions.shape[1] == 1 else first_largest(predictions)
    return found[:, 0].astype(np.int64)
