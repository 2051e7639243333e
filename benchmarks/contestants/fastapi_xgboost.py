"""FastAPI, pydantic, DictVectorizer and XGBoost's DMatrix, with the defaults."""

from __future__ import annotations

from typing import Any

import xgboost as xgb
from fastapi import FastAPI

from benchmarks.contestants.parts import Application, decision, file, vectorizer

app = FastAPI()
dv = vectorizer()
booster = xgb.Booster(model_file=file("booster.ubj"))


@app.post("/classify")
async def classify(application: Application) -> dict[str, Any]:
    """Classify one application."""
    rows = xgb.DMatrix(dv.transform([application.model_dump()]))
    return decision(float(booster.predict(rows)[0]))
