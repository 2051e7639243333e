"""The same API the course's way: a legacy Service around a Runner.

`bentoml serve services.runner:svc`. The Runner is a process of its own that gathers the rows of
concurrent requests into one batch. BentoML calls Runners legacy: services/credit.py is the main
way, and many times faster. This one shows that a bundle is a drop-in for a course-style service.
"""

from __future__ import annotations

from typing import Any

import bentoml
from bentoml.io import JSON

import bentoml_ext
from bentoml_ext.decisions.bands import Answer
from bentoml_ext.errors import InvalidApplication
from bentoml_ext.serving.bento.image import served_model
from models.fields import EXAMPLE

MODEL = served_model("credit_risk_model:latest")
BUNDLE = bentoml_ext.load_bundle(MODEL)
ENCODER = BUNDLE.encoder
DECIDER = BUNDLE.decider

# The Runner gets its methods from the model's signatures, when it runs.
runner: Any = MODEL.to_runner(max_batch_size=1000, max_latency_ms=1000)
svc = bentoml.legacy.Service("credit_risk_runner", runners=[runner])


@svc.api(input=JSON.from_sample(EXAMPLE), output=JSON())
async def classify(application: Any, ctx: bentoml.Context) -> Any:
    """Classify one application: its status under the policy, and the probability."""
    try:
        ENCODER.check(application)
    except InvalidApplication as error:
        ctx.response.status_code = error.error_code.value
        return {"error": str(error), "field": error.field}
    margins = await runner.margins.async_run(ENCODER.rows([application]))
    return _body(DECIDER.answer(margins[:, None]))


@svc.api(input=JSON(), output=JSON())
async def classify_batch(applications: Any, ctx: bentoml.Context) -> Any:
    """Classify applications, in order; one bad application refuses them all."""
    try:
        if not isinstance(applications, list):
            raise InvalidApplication("an array of applications", type(applications).__name__)
        ENCODER.check_all(applications)
    except InvalidApplication as error:
        ctx.response.status_code = error.error_code.value
        return {"error": str(error), "field": error.field, "index": error.index}
    if not applications:
        return []
    margins = await runner.margins.async_run(ENCODER.rows(applications))
    return [_body(answer) for answer in DECIDER.answers(margins[:, None])]


def _body(answer: Answer) -> dict[str, Any]:
    return {BUNDLE.policy.key: answer.status, "probability": float(answer.shortest)}
