"""A newcomer follows CONTRIBUTING.md: an objective, a step and a backend are proven and served."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.support.commands import python_code
from tests.support.newcomer import add_backend, add_objective, add_step, scratch_copy
from tests.support.servers import serve

SAVE = """
import numpy as np, xgboost
import bentoml_ext
from bentoml_ext.encoders.encoder import Encoder
from bentoml_ext.encoders.field import Field
from bentoml_ext.encoders import steps

random = np.random.default_rng(0)
dates = random.integers(200001, 202612, 400)
ages = random.integers(18, 80, 400)
rows = np.stack([np.fmod(dates, 100), ages], axis=1).astype(np.float32)
costs = 10 + rows[:, 0] * 3 + random.gamma(2.0, 3.0, 400)
parameters = {"objective": "reg:gamma", "max_depth": 3, "nthread": 1}
booster = xgboost.train(parameters, xgboost.DMatrix(rows, label=costs), 20)
encoder = Encoder(
    ("month", "age"),
    fields=[Field("month", nullable=True), Field("age")],
    steps=[STEP, steps.Number("age", 1)],
)
bentoml_ext.save_model("claims", booster, encoder=encoder)
large = xgboost.train(parameters | {"objective": "binary:logistic"},
                      xgboost.DMatrix(rows, label=costs > 40), 20)
bentoml_ext.save_model("large", large, encoder=encoder)
asked = xgboost.DMatrix(np.array([[11, 41]], np.float32))
print(float(booster.predict(asked)[0]).hex())
"""

# A whole application becomes a graph where the answer has bands.
EXPORT = """
from bentoml_ext.cli import ext

ext(["export", "large:latest", "-o", "large.onnx", "--with-encoder"])
"""

SERVICE = """
import bentoml_ext
svc = bentoml_ext.get_service("claims:latest")
"""


@pytest.mark.slow
def test_what_contributing_teaches_is_proven_and_served(tmp_path: Path) -> None:
    home, site = tmp_path / "home", tmp_path / "site"
    package = scratch_copy(site)
    plain, new = 'steps.Number("month", 0)', 'steps.Remainder("month", 0, 100.0)'

    before = python_code(SAVE.replace("STEP", plain), home, cwd=site, PYTHONPATH=str(site))
    add_objective(package)
    add_step(package)
    add_backend(site)
    stored = python_code(SAVE.replace("STEP", new), home, cwd=site, PYTHONPATH=str(site))

    # Without the objective the model is refused by name.
    assert "'reg:gamma'" in before.stderr
    assert stored.returncode == 0, stored.stderr
    expected = stored.stdout.split()[-1]
    (site / "service.py").write_text(SERVICE)
    with serve(home, "service:svc", cwd=site, BACKEND="mine", PYTHONPATH=str(site)) as server:
        answer = server.client.post("/predict", json={"month": 202611, "age": 41})
    assert answer.headers["X-Backend"] == "mine"
    assert float(np.float32(answer.json()["prediction"])).hex() == expected
    exported = python_code(EXPORT, home, cwd=site, PYTHONPATH=str(site))
    assert exported.returncode == 0, exported.stderr
