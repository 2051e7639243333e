"""A BentoML service that does nothing: what a cold start takes at least."""

from __future__ import annotations

from typing import Any

import bentoml


@bentoml.service(name="empty")
class Empty:
    """Answers a constant."""

    @bentoml.api
    async def classify(self, application: dict[str, Any], /) -> dict[str, Any]:
        """Answer a constant."""
        return {"Status": "APPROVED", "probability": 0.2224117}
