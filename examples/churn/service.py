"""Churn: `bentoml serve examples.churn.service:svc`."""

from __future__ import annotations

import bentoml_ext

svc = bentoml_ext.get_service("churn:latest", name="churn")
