from __future__ import annotations

import numpy as np

from bentoml_ext.decisions.policy import Band
from models.evaluation import evaluate
from tests.support import small


def test_a_probability_on_the_edge_of_a_band_is_not_above_it() -> None:
    edge = np.float32(0.3)
    probabilities = np.array([0.1, edge, np.nextafter(edge, np.float32(1)), 0.9], dtype=np.float32)
    defaults = np.array([0, 1, 0, 1], dtype=np.uint8)
    evaluation = evaluate(probabilities, defaults, small.policy())

    assert evaluation.confusion == {"DECLINED": (0, 1), "MAYBE": (1, 0), "APPROVED": (1, 1)}


def test_the_confusion_follows_the_bands_of_another_policy() -> None:
    policy = small.policy("Result", (Band(0.25, "NO"),), "YES")
    probabilities = np.array([0.2, 0.3, 0.4], dtype=np.float32)
    evaluation = evaluate(probabilities, np.array([0, 0, 1], dtype=np.uint8), policy)

    assert evaluation.confusion == {"NO": (1, 1), "YES": (1, 0)}
    assert (evaluation.rows, evaluation.auc) == (3, 1.0)
