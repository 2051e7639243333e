"""Endpoints: what the metrics call a request, as few names as there are routes.

BentoML names the series by the path: each path that somebody asks for would make new ones, in
memory and on the disk, for good.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from starlette.routing import BaseRoute, Mount, Route, WebSocketRoute
from starlette.types import Scope

__all__ = ["UNKNOWN", "endpoint_of"]

UNKNOWN: Final = "unknown"
"""A path that no route has; no path is called so."""


def endpoint_of(routes: Sequence[BaseRoute]) -> Callable[[Scope], str]:
    """A request's route: its path, or where others are mounted or take part of a path, theirs.

    Args:
        routes: of the application; more may be added to them.
    """

    def endpoint(scope: Scope) -> str:
        root = scope.get("root_path", "")
        path = scope["path"].removeprefix(root)
        for route in routes:
            if isinstance(route, Route | WebSocketRoute | Mount) and route.path_regex.match(path):
                return f"{root}{route.path or '/'}"
        return UNKNOWN

    return endpoint
