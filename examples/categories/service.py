"""Credit by categories: `bentoml serve examples.categories.service:svc`."""

from __future__ import annotations

import bentoml_ext

svc = bentoml_ext.get_service("credit_by_categories:latest", name="categories")
