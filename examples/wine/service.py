"""Cultivars of wine: `bentoml serve examples.wine.service:svc`."""

from __future__ import annotations

import bentoml_ext

svc = bentoml_ext.get_service("wine:latest", name="wine")
