"""Side by side: one application on every backend of the served version, off the request path.

Nothing is opened before the first request. The backends that do not serve are then opened and
tested in a thread of this module's own, and stay in the worker's memory.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

import bentoml
import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from bentoml_ext.choices import spelled
from bentoml_ext.encoders.strict_json import json_value
from bentoml_ext.serving.content import json_body
from bentoml_ext.serving.faults import answered
from bentoml_ext.serving.headers import JSON
from bentoml_ext.serving.limits import MAX_APPLICATION_BYTES

if TYPE_CHECKING:
    from bentoml_ext.scoring.opening import Opened
    from bentoml_ext.serving.served_model import ServedModel

__all__ = ["SideBySide"]

MOST: Final = 4
"""Requests at a time: one is scored, and the others wait."""

_logger = logging.getLogger("bentoml_ext.ui")


class SideBySide:
    """Answers POST /ui/backends.

    Args:
        headers: of every answer.
    """

    def __init__(self, headers: Mapping[str, str]) -> None:
        self._headers = headers
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="ui")
        self._waiting = 0
        self._of: ServedModel | None = None
        self._opened: list[Opened] = []

    async def answer(self, request: Request) -> Response:
        """Margins, bits, answer and time of each backend; the service's own refusals."""
        service = bentoml.get_current_service()
        served: ServedModel = service.served[""]
        answer = await answered(self._compared(request, served), service, served, _logger)
        answer.headers.update(self._headers)
        return answer

    async def _compared(self, request: Request, served: ServedModel) -> Response:
        # A page of another site can send a form or a text unasked, and JSON only if CORS lets it.
        said = request.headers.get("content-type", "")
        if said.partition(";")[0].strip().lower() != JSON:
            raise HTTPException(
                HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
                f"Expected {JSON}, got {spelled(said)} - at Content-Type. Send JSON.",
            )
        value = json_value(await json_body(request, MAX_APPLICATION_BYTES))
        application = served.unwrapped(value)
        served.scorer.encoder.check(application)
        if self._waiting >= MOST:
            raise HTTPException(
                HTTPStatus.TOO_MANY_REQUESTS,
                f"Expected at most {MOST} comparisons at a time, got more. Ask again.",
                {"Retry-After": "1"},
            )
        self._waiting += 1
        work = self._thread.submit(self._scored, served, application)
        # Not in a `finally`: a request may be over before its turn in the thread is.
        loop = asyncio.get_running_loop()
        work.add_done_callback(lambda done: loop.call_soon_threadsafe(self._close, done))
        return Response(await asyncio.wrap_future(work), media_type=JSON)

    def _close(self, _: Future[bytes]) -> None:
        self._waiting -= 1

    def _scored(self, served: ServedModel, application: Any) -> bytes:
        from bentoml_ext.scoring.opening import open_each
        from bentoml_ext.serving.processes.startup import freeze_startup_objects
        from bentoml_ext.serving.ui.timed import scored_by_each

        scorer = served.scorer
        if self._of is not served:
            self._opened = list(open_each(served.bundle, scorer.backend.members))
            self._of = served
            # Libraries have been imported since the start.
            freeze_startup_objects()
        found = scored_by_each(scorer, self._opened, application)
        return msgspec.json.encode({"tag": str(served.stored.tag), **found})
