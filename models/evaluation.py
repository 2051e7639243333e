"""Evaluation: how well probabilities distinguish defaults, and the policy's answers to them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from bentoml_ext.arrays import Probabilities
from bentoml_ext.decisions.policy import Bands
from models.dataset import Defaults

__all__ = ["Evaluation", "evaluate"]


@dataclass(frozen=True)
class Evaluation:
    """Figures on applications that the model was not trained on.

    Args:
        rows: how many applications.
        default_rate: share of them that defaulted, from 0 to 1.
        auc: chance that a default gets a higher probability than a repaid credit.
        confusion: by answer of the policy, the highest band first: (repaid, defaulted).
    """

    rows: int
    default_rate: float
    auc: float
    confusion: Mapping[str, tuple[int, int]]


def evaluate(probabilities: Probabilities, defaults: Defaults, policy: Bands) -> Evaluation:
    """Compare probabilities with outcomes.

    Args:
        probabilities: float32, (n,), of default.
        defaults: uint8, (n,), with both outcomes among them.
        policy: bands over the probability, compared in float32 as everywhere.
    """
    from sklearn.metrics import roc_auc_score

    above = np.array([band.above for band in policy.bands], dtype=np.float32)
    # The bands fall, so each one that a probability does not exceed moves it an answer on.
    answers = (probabilities[:, None] <= above).sum(axis=1)
    counts = np.zeros((len(policy.answers), 2), dtype=np.int64)
    np.add.at(counts, (answers, defaults.astype(np.int64)), 1)
    return Evaluation(
        rows=len(defaults),
        default_rate=float(defaults.mean()),
        auc=float(roc_auc_score(defaults, probabilities)),
        confusion={
            str(answer): (int(repaid), int(defaulted))
            for answer, (repaid, defaulted) in zip(policy.answers, counts, strict=True)
        },
    )
