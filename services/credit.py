"""The credit risk service: `BACKEND=onnx bentoml serve`."""

from __future__ import annotations

import bentoml_ext
from models.fields import EXAMPLE


@bentoml_ext.service(name="credit_risk_classifier")
class CreditRiskClassifier(
    bentoml_ext.Classifier, model="credit_risk_model:latest", example=EXAMPLE
):
    """Probability that an applicant defaults, and the status that the policy gives it.

    The backend is one word of configuration, BACKEND, and changes no answer.
    """
