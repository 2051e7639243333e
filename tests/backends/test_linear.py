"""A linear model's sum may be no number: such an application is refused, and never approved."""

from __future__ import annotations

import json

import numpy as np
import pytest
import xgboost as xgb

import bentoml_ext
from bentoml_ext.encoders.ndjson import LineEncoder
from bentoml_ext.errors import InvalidApplication
from bentoml_ext.scoring.scorer import Scorer
from bentoml_ext.serving.fastpath.handlers import BatchHandler, SingleHandler
from bentoml_ext.serving.streaming.results import score_stream

GOOD = {"a": 1.0, "b": 2.0}
LOST = {"a": 3e38, "b": 3e38}


@pytest.fixture(scope="module", params=["onnx", "xgboost"])
def scorer(request: pytest.FixtureRequest) -> Scorer:
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(300, 2)).astype(np.float32)
    data = xgb.DMatrix(rows, label=rows[:, 0] > rows[:, 1], feature_names=["a", "b"])
    booster = xgb.train({"objective": "binary:logistic", "booster": "gblinear"}, data, 20)
    encoder = bentoml_ext.Encoder(["a", "b"])
    stored = bentoml_ext.save_model(f"linear_{request.param}", booster, encoder=encoder)
    found: Scorer = bentoml_ext.load_model(stored, request.param)
    return found


def test_it_is_refused_alone_in_a_batch_and_in_lines(scorer: Scorer) -> None:
    told = "the model can add, got some that are too large"
    with pytest.raises(InvalidApplication, match=told):
        scorer.classify(LOST)
    with pytest.raises(InvalidApplication, match=f"{told} - at application 2"):
        scorer.classify_batch([GOOD, GOOD, LOST])
    lines = b"\n".join(json.dumps(one).encode() for one in (GOOD, {}, GOOD, LOST))
    encoded = LineEncoder(scorer.encoder, most=1).encode(lines).encoded
    with pytest.raises(InvalidApplication, match=f"{told} - at application 3"):
        score_stream([encoded], scorer, 10, report=True)


def test_the_fast_path_hands_it_on(scorer: Scorer) -> None:
    good, lost = json.dumps(GOOD).encode(), json.dumps(LOST).encode()

    assert SingleHandler(scorer).at_once([lost]) == [None]
    assert SingleHandler(scorer).at_once([good, lost]) == [None, None]
    assert b"Status" in (SingleHandler(scorer).at_once([good])[0] or b"")
    with pytest.raises(InvalidApplication):
        BatchHandler(scorer, 10).at_once([b"[" + lost + b"]"])
