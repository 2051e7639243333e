"""House prices: `bentoml serve examples.houses.service:svc`."""

from __future__ import annotations

import bentoml_ext

svc = bentoml_ext.get_service("house_prices:latest", name="houses")
