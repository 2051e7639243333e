"""The course's service: a legacy BentoML Service, a Runner, and a pickled DictVectorizer."""

from __future__ import annotations

from typing import Any

import bentoml
from bentoml.io import JSON

from benchmarks.contestants.parts import Application, decision

model = bentoml.xgboost.get("course_model:latest")
dv = model.custom_objects["DictVectorizer"]
runner: Any = model.to_runner()
svc = bentoml.legacy.Service("course", runners=[runner])


@svc.api(input=JSON(pydantic_model=Application), output=JSON())
async def classify(application: Any) -> Any:
    """Classify one application."""
    rows = dv.transform(application.model_dump())
    prediction = await runner.predict.async_run(rows)
    return decision(float(prediction[0]))
