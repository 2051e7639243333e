"""Training: the course's recipe, from a dataset to a booster and its encoder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import xgboost as xgb
from sklearn.feature_extraction import DictVectorizer

from bentoml_ext.decisions.policy import Bands
from bentoml_ext.encoders.encoder import Application, Encoder
from models.dataset import Dataset
from models.evaluation import Evaluation, evaluate
from models.fields import FIELDS
from models.policy import POLICY
from models.split import split

__all__ = ["PARAMETERS", "ROUNDS", "Trained", "train"]

PARAMETERS: Final[dict[str, Any]] = {
    "eta": 0.1,
    "max_depth": 3,
    "min_child_weight": 1,
    "objective": "binary:logistic",
    "seed": 1,
    # One thread: sums of gradients in another order could move a split's last bit, so that the
    # model would depend on the machine. On these few rows more threads are slower, too.
    "nthread": 1,
}
"""The course's, but for the number of threads (8 there)."""

ROUNDS: Final = 175


@dataclass(frozen=True)
class Trained:
    """A trained model and what is known of it.

    Args:
        booster: trained on rows without feature names.
        encoder: application to row, with the rules of the fields.
        policy: bands that the evaluation was made at.
        trained_rows: applications that it was trained on.
        evaluation: on the applications that were held out.
    """

    booster: xgb.Booster
    encoder: Encoder
    policy: Bands
    trained_rows: int
    evaluation: Evaluation


def train(
    dataset: Dataset,
    *,
    without: Sequence[str] = (),
    policy: Bands | None = None,
    on_round: Callable[[], None] | None = None,
) -> Trained:
    """Train on four fifths of a dataset and evaluate on the rest.

    The same dataset gives the same booster, bit for bit.

    Args:
        dataset: applications with outcomes; a number that was not given is trained as 0.
        without: names of fields that the model must not see.
        policy: bands for the evaluation; by default the model's own.
        on_round: called after each of the `ROUNDS` rounds.

    Raises:
        DataRefused: too few applications, or only one outcome.

    Source:
        The course's week 6 (recipe) and week 7 (no feature names in the DMatrix).
    """
    policy = policy or POLICY
    known, held_out = split(dataset.without(without) if without else dataset)
    fields = [field for field in FIELDS if field.name not in without]
    vectorizer = DictVectorizer(sparse=False)
    matrix = xgb.DMatrix(
        vectorizer.fit_transform(_filled(known.applications)), label=known.defaults
    )
    callbacks = [_Rounds(on_round)] if on_round else None
    booster = xgb.train(PARAMETERS, matrix, num_boost_round=ROUNDS, callbacks=callbacks)
    encoder = Encoder(vectorizer.feature_names_, fields, null="zero")
    probabilities = booster.predict(xgb.DMatrix(encoder.rows(held_out.applications)))
    evaluation = evaluate(np.asarray(probabilities), held_out.defaults, policy)
    return Trained(booster, encoder, policy, len(known), evaluation)


class _Rounds(xgb.callback.TrainingCallback):
    def __init__(self, act: Callable[[], None]) -> None:
        super().__init__()
        self._act = act

    def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
        self._act()
        return False


def _filled(applications: Sequence[Application]) -> list[dict[str, Any]]:
    """The course's `fillna(0)`."""
    return [
        {name: 0 if value is None else value for name, value in application.items()}
        for application in applications
    ]
