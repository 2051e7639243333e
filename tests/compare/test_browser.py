"""The page of a comparison in a real Chromium: phone, dark, print, and what axe-core finds."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import bentoml_ext
from tests.support import small
from tests.support.browsers import chromium, window
from tests.support.commands import ext_command

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.slow

PHONE: dict[str, Any] = {"viewport": {"width": 390, "height": 800}}
VIEWS: dict[str, dict[str, Any]] = {
    "desk": {},
    "phone": PHONE,
    "dark": {"color_scheme": "dark"},
    "phone without scripts": {**PHONE, "java_script_enabled": False},
}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as opened:
        yield opened


@pytest.fixture(scope="module")
def pages(data: Path) -> dict[str, Path]:
    """A page of two versions, and one of backends."""
    one, other = (
        str(bentoml_ext.save_model(name, small.booster(seed), encoder=small.encoder()).tag)
        for name, seed in (("browser_one", 0), ("browser_other", 1))
    )
    found = {kind: data.with_name(f"{kind}.html") for kind in ("versions", "backends")}
    words = ("--with", other, "--data", data, "--outcome", "bad", "--impact", "home")
    assert ext_command("compare", one, *words, "--html", found["versions"]).returncode == 0
    assert ext_command("compare", one, "--html", found["backends"]).returncode == 0
    return found


@pytest.mark.parametrize(
    ("kind", "view"), [*(("versions", view) for view in VIEWS), ("backends", "phone")]
)
def test_a_page_is_read_in_every_view(
    browser: Browser, pages: dict[str, Path], kind: str, view: str
) -> None:
    with window(browser, **VIEWS[view]) as found:
        asked: list[str] = []
        found.page.on("request", lambda request: asked.append(request.url))

        found.page.goto(pages[kind].as_uri())

        assert asked == [pages[kind].as_uri()]
        assert found.problems == []
        assert len(found.text(".verdict")) > 40
        page = found.page.locator("html").bounding_box()
        for one in found.page.locator("svg, .verdict").all():
            box = one.bounding_box()
            assert box is not None
            assert page is not None
            assert box["x"] >= 0
            assert box["x"] + box["width"] <= page["width"]


@pytest.mark.parametrize("kind", ["versions", "backends"])
@pytest.mark.parametrize("view", ["desk", "phone", "dark"])
def test_axe_finds_nothing(browser: Browser, pages: dict[str, Path], kind: str, view: str) -> None:
    with window(browser, **VIEWS[view]) as found:
        found.page.goto(pages[kind].as_uri())

        assert found.violations() == ""


def test_a_page_is_printed(browser: Browser, pages: dict[str, Path]) -> None:
    with window(browser, color_scheme="dark") as found:
        found.page.goto(pages["versions"].as_uri())
        found.page.emulate_media(media="print", color_scheme="light")

        assert found.page.pdf().startswith(b"%PDF-")
        paper = "getComputedStyle(document.body).backgroundColor"
        assert found.page.evaluate(paper) == "rgb(255, 255, 255)"
