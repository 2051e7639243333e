"""Chromium without a screen, for the page: what it shows, and what it was refused."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.in_process import ORIGIN, Client

# An environment without the extra `dev` skips these tests.
if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Request, Route

__all__ = ["Window", "chromium", "window"]

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
REFUSED = "the server responded with a status of"


@dataclass
class Window:
    """A page that is open.

    Args:
        page: of the browser.
        problems: errors of scripts, of the console and of the policy, and dialogs that opened.
        bodies: what was posted, by path, in order.
    """

    page: Page
    problems: list[str] = field(default_factory=list)
    bodies: list[tuple[str, str]] = field(default_factory=list)

    def open(self, url: str) -> None:
        """Go to the page, whose form is then ready."""
        self.page.goto(url)
        self.page.wait_for_selector("#form:not([hidden])")

    def ask(self) -> None:
        """Press the button, and wait for the answer or the refusal."""
        self.page.click("text=Ask the model")
        self.page.wait_for_selector("#form:not([aria-busy])")

    def compare(self) -> None:
        """Press the other button, and wait for the backends."""
        self.page.click("#compare")
        self.page.wait_for_selector("#backends .verdict")

    def violations(self) -> str:
        """What axe-core finds, in short; empty where it finds nothing."""
        axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
        return str(axe.run(self.page, options={"resultTypes": ["violations"]}).generate_snapshot())

    def text(self, selector: str) -> str:
        """What a person reads there."""
        return str(self.page.inner_text(selector))


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser; the test is skipped where none is installed."""
    path = next(filter(None, map(shutil.which, NAMES)), None)
    if path is None:
        pytest.skip(f"none of {', '.join(NAMES)} is installed")
    api = pytest.importorskip("playwright.sync_api")
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path)
        yield browser
        browser.close()


@contextmanager
def window(
    browser: Browser, client: Client | None = None, proxy: str = "", **options: Any
) -> Iterator[Window]:
    """An empty page.

    Args:
        browser: to open it in.
        client: answers the requests to ORIGIN, in this process.
        proxy: prefix that is taken from a path before the client sees it, as a proxy does.
        options: of the browser's context, such as color_scheme="dark".
    """
    context = browser.new_context(**options)
    page = context.new_page()
    found = Window(page)
    page.on("console", lambda one: _note(found, one.type, one.text))
    page.on("pageerror", lambda error: found.problems.append(str(error)))
    page.on("dialog", lambda dialog: found.problems.append(f"dialog: {dialog.message}"))
    page.on("request", lambda request: _keep(found, request))
    if client is not None:
        page.route(f"{ORIGIN}/**", lambda route: _answer(route, client, proxy))
    yield found
    context.close()


def _note(found: Window, kind: str, text: str) -> None:
    # A refused application is no fault of the page, though the console has a line of it.
    if kind in ("error", "warning") and REFUSED not in text:
        found.problems.append(text)


def _keep(found: Window, request: Request) -> None:
    if request.method == "POST":
        found.bodies.append((request.url.rpartition("/")[2], request.post_data or ""))


def _answer(route: Route, client: Client, proxy: str) -> None:
    request = route.request
    path = request.url.removeprefix(ORIGIN).removeprefix(proxy)
    answer = client.request(
        request.method, path, headers=request.headers, content=request.post_data_buffer
    )
    route.fulfill(status=answer.status_code, headers=dict(answer.headers), body=answer.content)
