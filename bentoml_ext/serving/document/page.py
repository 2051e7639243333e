"""Page: BentoML's page at `/`, without what it loads from other machines."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from functools import cache
from html import escape
from pathlib import Path
from typing import Final

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, Response
from starlette.routing import Route

__all__ = ["TITLED", "keep_to_itself", "without_others"]

POLICY: Final = (
    "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "base-uri 'self'; form-action 'self'; frame-ancestors 'self'"
)
"""A browser then refuses every other request of the page. One is Swagger UI's validator badge,
which would send the service's address to another server."""

ELEMENTS: Final = re.compile(r"<(script|noscript|iframe)\b.*?</\1>", re.DOTALL | re.IGNORECASE)
ELSEWHERE: Final = re.compile(r"(https?:)?//\w")
COMMENTS: Final = re.compile(r"[ \t]*<!--.*?-->\n?", re.DOTALL)
TITLED: Final = (
    "<style>.info .main .title{visibility:visible}.info .main .title span{position:static}</style>"
)
"""BentoML's style hides the name of the service, so that only its version is seen."""
HEAD: Final = re.compile(r"</head>", re.IGNORECASE)
TITLE: Final = re.compile(r"<title>.*?</title>", re.DOTALL | re.IGNORECASE)


def keep_to_itself(app: Starlette, name: str) -> None:
    """Let BentoML's page at `/` name the service and load nothing from elsewhere.

    Args:
        app: BentoML's application.
        name: of the service.
    """
    for place, route in enumerate(app.router.routes):
        if isinstance(route, Route) and route.name == "index":
            page = _page(route.endpoint, name)
            app.router.routes[place] = Route(route.path, page, name=route.name)


def without_others(html: str, name: str) -> str:
    """The page with no element that another machine answers for."""

    def own(element: re.Match[str]) -> str:
        return "" if ELSEWHERE.search(element[0]) else element[0]

    titled = TITLE.sub(lambda _: f"<title>{escape(name)}</title>", html)
    titled = HEAD.sub(f"{TITLED}</head>", titled)
    return COMMENTS.sub("", ELEMENTS.sub(own, titled))


def _page(
    index: Callable[[Request], Awaitable[Response]], name: str
) -> Callable[[Request], Awaitable[Response]]:
    @cache
    def text(path: Path) -> str:
        return without_others(path.read_text(encoding="utf-8"), name)

    async def page(request: Request) -> Response:
        found = await index(request)
        # Another BentoML may answer otherwise; the policy holds for that, too.
        if isinstance(found, FileResponse):
            found = HTMLResponse(text(Path(found.path)))
        found.headers["Content-Security-Policy"] = POLICY
        return found

    return page
