"""Endpoints: the name of a request in the metrics, one name for each route.

BentoML names the series by the path: each new path in a request would add series for good, in
memory and on the disk.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from starlette.routing import BaseRoute, Mount, Route, WebSocketRoute
from starlette.types import Scope

__all__ = ["UNKNOWN", "endpoint_of"]

UNKNOWN: Final = "unknown"
"""Name of a path without a route; a path begins with a slash, so it cannot be this name."""


def endpoint_of(routes: Sequence[BaseRoute]) -> Callable[[Scope], str]:
    """Names a request by the path of its route, or of the mounted application's route.

    Args:
        routes: of the application; routes added later count too.
    """

    def endpoint(scope: Scope) -> str:
        root = scope.get("root_path", "")
        path = scope["path"].removeprefix(root)
        for route in routes:
            if isinstance(route, Route | WebSocketRoute | Mount) and route.path_regex.match(path):
                return f"{root}{route.path or '/'}"
        return UNKNOWN

    return endpoint
