"""Routes: the page at /ui, its files, what it shows, and the backends side by side.

Every address in the page is relative, so that a prefix of the service, or of a proxy before it,
changes nothing. The OpenAPI document has no word of these routes: they are the page's own.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Final

import bentoml
import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bentoml_ext.serving.ui.side_by_side import SideBySide

__all__ = ["COMPARE", "ui_routes"]

PAGE: Final = "ui"
COMPARE: Final = f"{PAGE}/backends"
FOLDER: Final = Path(__file__).parent
TYPES: Final = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}

ALONE: Final = "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    f"img-src 'self'; connect-src 'self'; require-trusted-types-for 'script'; {ALONE}",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # Another release, or another model, may answer the next time.
    "Cache-Control": "no-cache",
}
REPORT_HEADERS: Final = HEADERS | {
    # A report of ours has its style in itself and no script; another file gets no more than that.
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:; "
    f"sandbox; {ALONE}",
}


def ui_routes(path: Callable[[str], str], service: str) -> list[Route]:
    """The routes of the page.

    Args:
        path: the path of a name, under the service's prefix.
        service: name of the service.
    """

    async def shown(_: Request) -> Response:
        from bentoml_ext.serving.ui.shown import shown_of

        found = shown_of(bentoml.get_current_service(), service)
        return Response(msgspec.json.encode(found), headers=HEADERS, media_type="application/json")

    files = [
        Route(path(f"{PAGE}/{file.name}"), _file(file), name=file.name)
        for file in sorted(FOLDER.iterdir())
        if file.suffix in TYPES
    ]
    return [
        Route(path(PAGE), _page, name=PAGE),
        Route(f"{path(PAGE)}/", _without_slash),
        Route(path(f"{PAGE}/model"), shown),
        Route(path(f"{PAGE}/report"), _report),
        Route(path(COMPARE), SideBySide(HEADERS).answer, methods=["POST"]),
        *files,
    ]


async def _page(_: Request) -> Response:
    return Response(_content(FOLDER / "page.html"), headers=HEADERS, media_type="text/html")


async def _without_slash(_: Request) -> Response:
    # Relative: a proxy may have taken a prefix from the path.
    return Response(status_code=307, headers=HEADERS | {"Location": f"../{PAGE}"})


async def _report(_: Request) -> Response:
    path = bentoml.get_current_service().settings.report
    try:
        page = None if path is None else await run_in_threadpool(path.read_bytes)
    except OSError:
        page = None
    if page is None:
        text = "Expected a report, got none - at REPORT. Set it to a file of `compare --html`."
        return Response(text, 404, HEADERS, "text/plain")
    return Response(page, headers=REPORT_HEADERS, media_type="text/html")


def _file(path: Path) -> Callable[[Request], object]:
    async def file(_: Request) -> Response:
        return Response(_content(path), headers=HEADERS, media_type=TYPES[path.suffix])

    return file


@cache
def _content(path: Path) -> bytes:
    return path.read_bytes()
