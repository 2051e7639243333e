"""Model views: GET /model, or GET /NAME/model and GET /models of several."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator

import bentoml
import msgspec
from starlette.requests import Request
from starlette.responses import Response

from bentoml_ext.serving.headers import JSON
from bentoml_ext.serving.routes import path_of

__all__ = ["model_views"]


def model_views(
    slots: Iterable[str],
) -> Iterator[tuple[str, Callable[[Request], Awaitable[Response]]]]:
    """Path and view of each description, the path without its first slash."""
    names = list(slots)
    for name in names:
        yield path_of(name, "model"), _model_view(name)
    if "" not in names:
        yield "models", _model_view("")


def _model_view(slot: str) -> Callable[[Request], Awaitable[Response]]:
    """Describes the model of a slot; without its name, all that the service has."""

    async def view(_: Request) -> Response:
        classifier = bentoml.get_current_service()
        described = classifier.describe_slot(slot) if slot else classifier.describe()
        return Response(msgspec.json.encode(described), media_type=JSON)

    return view
