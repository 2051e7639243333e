"""Route: many applications in one request, as Arrow or NDJSON, read and answered as streams.

A request is read to its end, and every application judged, before an answer begins. So the status
is true, and a client may send its whole body before it reads. The request passes through BentoML's
own middlewares, which count, trace, log, time and limit it as any other request.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from http import HTTPStatus
from typing import Protocol

import bentoml
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Match, Route
from starlette.types import Scope

from bentoml_ext.formats.readable import Readable
from bentoml_ext.internals import observation
from bentoml_ext.scoring.scorer import Scorer
from bentoml_ext.serving.content import lines_of, report_asked, unpacked
from bentoml_ext.serving.faults import Signing, answered
from bentoml_ext.serving.streaming.body_reader import Upload, check_bytes
from bentoml_ext.serving.streaming.codec import CODECS, NDJSON, OTHER_NAMES, Format
from bentoml_ext.serving.streaming.results import ScoredStream, score_stream
from bentoml_ext.serving.streaming.turns import READERS, Turns
from bentoml_ext.settings import Settings

__all__ = ["BulkRoute", "bulk_routes", "is_bulk"]

_logger = logging.getLogger("bentoml_ext.streaming")


class Streaming(Signing, Protocol):
    """A model that answers streams."""

    scorer: Scorer

    def check_route(self, name: str, slot: str) -> None:
        """Refuse a name that the model does not answer to."""
        ...

    def format(self, media_type: str) -> Format:
        """What reads and writes a stream of this media type."""
        ...

    def headers_by(self, *backends: str) -> dict[str, str]:
        """The headers of an answer that these backends have scored."""
        ...


class BulkRoute(Route):
    """Takes the requests to one path whose content type is among `CODECS`.

    Args:
        path: of the route.
        api: kind of the API method that answers other media types there.
        slot: name of the model that answers.
        other: a route whose threads and turns this one shares.
    """

    def __init__(self, path: str, api: str, slot: str = "", other: BulkRoute | None = None) -> None:
        super().__init__(path, self._answer, methods=["POST"])
        self._api, self._slot = api, slot
        self._threads: ThreadPoolExecutor
        self._turns: Turns
        if other is not None:
            self._threads, self._turns = other._threads, other._turns
            return
        self._threads = ThreadPoolExecutor(READERS, thread_name_prefix="bulk")
        self._turns = Turns()

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Match only POSTs of a streaming media type; BentoML answers every other request."""
        match, child = super().matches(scope)
        if match is Match.FULL and is_bulk(scope):
            return match, child
        return Match.NONE, {}

    async def _answer(self, request: Request) -> Response:
        service = bentoml.get_current_service()
        served: Streaming = service.served[self._slot]
        asked = self._judged(request, served, service.settings)
        answer = await answered(asked, service, served, _logger)
        answer.headers.update(observation.answer_headers())
        return answer

    async def _judged(self, request: Request, served: Streaming, limits: Settings) -> Response:
        served.check_route(self._api, self._slot)
        report = report_asked(request)
        check_bytes(int(request.headers.get("content-length", 0)), limits.max_bulk_bytes)
        upload = Upload(request.receive, limits.max_bulk_bytes, self._turns)
        media_type = _media_type(request)
        file = unpacked(upload, request, limits.max_bulk_bytes)
        file = lines_of(file, request) if media_type == NDJSON else file
        work = partial(self._judge, media_type, upload, file, served, limits, report=report)
        try:
            await upload.begin()
            form, stream = await asyncio.get_running_loop().run_in_executor(self._threads, work)
        finally:
            # After a timeout the thread may still be reading.
            upload.abandon()
        counts = {"X-Scored": str(stream.scored), "X-Refused": str(stream.refused)}
        # Starlette runs each step in a thread, and starts the next when the piece is sent.
        pieces = form.answer(stream, report=report)
        headers = {**served.headers_by(*stream.backends), **counts}
        return StreamingResponse(pieces, HTTPStatus.OK, headers, form.media_type)

    def _judge(
        self,
        media_type: str,
        upload: Upload,
        file: Readable,
        served: Streaming,
        limits: Settings,
        *,
        report: bool,
    ) -> tuple[Format, ScoredStream]:
        """Decode and score the body, in a thread."""
        with self._turns.working:
            try:
                form = served.format(media_type)
                encoded = upload.while_wanted(form.encoded(file, limits.max_bulk_bytes))
                return form, score_stream(
                    encoded, served.scorer, limits.max_bulk_rows, report=report
                )
            finally:
                upload.end()


def bulk_routes(paths: Mapping[tuple[str, str], str]) -> list[BulkRoute]:
    """A route for each path, by slot and kind of its API method; all share threads and turns."""
    routes: list[BulkRoute] = []
    for (slot, api), path in paths.items():
        routes.append(BulkRoute(path, api, slot, routes[0] if routes else None))
    return routes


def is_bulk(scope: Scope) -> bool:
    """Whether a request has a streaming media type."""
    return _media_type(Request(scope)) in CODECS


def _media_type(request: Request) -> str:
    name = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    return OTHER_NAMES.get(name, name)
