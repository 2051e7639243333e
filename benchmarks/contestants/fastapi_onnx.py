"""FastAPI, pydantic, DictVectorizer and ONNX Runtime, as one writes it by hand."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import onnxruntime as ort
from fastapi import FastAPI

from benchmarks.contestants.parts import Application, decision, file, vectorizer

app = FastAPI()
dv = vectorizer()
session = ort.InferenceSession(str(file("graph.onnx")), providers=["CPUExecutionProvider"])
rows_name = session.get_inputs()[0].name


@app.post("/classify")
async def classify(application: Application) -> dict[str, Any]:
    """Classify one application."""
    rows = dv.transform([application.model_dump()]).astype(np.float32)
    (margins,) = session.run(["margin"], {rows_name: rows})
    return decision(1 / (1 + math.exp(-margins[0, 0])))
