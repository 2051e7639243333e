"""A BentoML 1.4 service as its documentation writes it, with ONNX Runtime."""

from __future__ import annotations

import math
from typing import Any

import bentoml
import numpy as np
import onnxruntime as ort

from benchmarks.contestants.parts import Application, decision, file, vectorizer


@bentoml.service(name="stock")
class Stock:
    """Classifies one application."""

    def __init__(self) -> None:
        self.dv = vectorizer()
        self.session = ort.InferenceSession(
            str(file("graph.onnx")), providers=["CPUExecutionProvider"]
        )
        self.rows_name = self.session.get_inputs()[0].name

    @bentoml.api
    async def classify(self, application: Application, /) -> dict[str, Any]:
        """Classify one application."""
        rows = self.dv.transform([application.model_dump()]).astype(np.float32)
        (margins,) = self.session.run(["margin"], {self.rows_name: rows})
        return decision(1 / (1 + math.exp(-margins[0, 0])))
