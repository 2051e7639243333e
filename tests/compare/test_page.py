"""The page of a comparison: whole in one file, without a script, and true to the report."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Callable
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from typing import TypeAlias

import bentoml
import pytest

import bentoml_ext
from bentoml_ext.compare.svg import Axis, Plot
from tests.support import small
from tests.support.commands import ext_command

Pages: TypeAlias = Callable[[str], str]

KINDS = [pytest.param("backends", marks=pytest.mark.slow), "versions", "drift"]
"""Of backends, times are measured for seconds."""

VOID = {"meta", "link", "br", "img", "input"}


class Outline(HTMLParser):
    """Tags that are open, and every tag with its attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def stored() -> bentoml.Model:
    return bentoml_ext.save_model("page_test", small.booster(), encoder=small.encoder())


@pytest.fixture(scope="module")
def challenger() -> bentoml.Model:
    policy = small.policy(otherwise="<b>yes & no</b>")
    booster = small.booster(seed=7, rounds=1)
    return bentoml_ext.save_model(
        "page_challenger", booster, encoder=small.encoder(), policy=policy
    )


def page(data: Path, *words: str) -> str:
    path = data.with_suffix(".html")
    ended = ext_command("compare", *words, "--html", path)
    assert ended.returncode == 0, ended.stderr
    return path.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def pages(stored: bentoml.Model, challenger: bentoml.Model, data: Path) -> Pages:
    """The page of a kind of comparison, made once."""
    tag, file = str(stored.tag), str(data)
    known = ("--data", file, "--outcome", "bad")
    words = {
        "backends": (tag,),
        "versions": (tag, "--with", str(challenger.tag), *known),
        "drift": (tag, *known, "--with-data", file),
    }
    return cache(lambda kind: page(data, *words[kind]))


@pytest.mark.parametrize("kind", KINDS)
def test_a_page_is_well_formed_and_loads_and_runs_nothing(pages: Pages, kind: str) -> None:
    outline = Outline()
    outline.feed(pages(kind))

    assert outline.open == []
    tags = {tag for tag, _ in outline.seen}
    assert not tags & {"script", "link", "img", "iframe", "object"}
    names = {name for _, attributes in outline.seen for name in attributes}
    assert not {name for name in names if name in ("src", "href") or name.startswith("on")}
    assert "url(" not in pages(kind)
    assert "@import" not in pages(kind)
    assert "default-src 'none'" in pages(kind)


@pytest.mark.parametrize(
    ("kind", "titles"),
    [
        pytest.param("backends", ["Latency against"], marks=pytest.mark.slow),
        ("versions", ["Swap set", "Bad rate of those approved", "Probabilities"]),
        ("drift", ["Probabilities", "Bad rate of those approved"]),
    ],
)
def test_every_chart_is_xml_with_a_name(pages: Pages, kind: str, titles: list[str]) -> None:
    charts = [ET.fromstring(one) for one in re.findall(r"<svg.*?</svg>", pages(kind), re.S)]  # noqa: S314

    names = [str(one.get("aria-label")) for one in charts]
    assert len(names) == len(titles)
    assert all(name.startswith(title) for name, title in zip(names, titles, strict=True))


@pytest.mark.parametrize("kind", KINDS)
def test_every_mark_lies_within_its_chart(pages: Pages, kind: str) -> None:
    for text in re.findall(r"<svg.*?</svg>", pages(kind), re.S):
        chart = ET.fromstring(text)  # noqa: S314
        _, _, width, height = map(float, str(chart.get("viewBox")).split())
        points = [
            tuple(map(float, point.split(",")))
            for line in chart.iter("polyline")
            for point in str(line.get("points")).split()
        ]

        assert all(0 <= x <= width and 0 <= y <= height for x, y in points)


def test_names_of_the_user_are_text(pages: Pages) -> None:
    assert "<b>yes" not in pages("versions")
    assert "&lt;b&gt;yes &amp; no&lt;/b&gt;" in pages("versions")


def test_the_page_says_what_the_terminal_says(
    stored: bentoml.Model, challenger: bentoml.Model, data: Path, pages: Pages
) -> None:
    words = ("--with", str(challenger.tag), "--data", str(data), "--outcome", "bad")
    printed = ext_command("compare", str(stored.tag), *words).stdout

    verdict = printed.splitlines()[0]
    assert f'<p class="verdict">{verdict}</p>' in pages("versions")


def test_a_gate_that_fails_is_marked(stored: bentoml.Model, data: Path, tmp_path: Path) -> None:
    (tmp_path / "gates.toml").write_text("[psi]\nmin = 5\n[approval_rate]\nmin = 0\n")
    path = tmp_path / "page.html"
    words = ("--with", str(stored.tag), "--data", data, "--gates", tmp_path / "gates.toml")

    ended = ext_command("compare", str(stored.tag), *words, "--html", path)

    assert ended.returncode == 1
    text = path.read_text(encoding="utf-8")
    assert '<p class="verdict fails">' in text
    assert '<li class="fails"><b>✗</b> psi of 0 fails' in text
    assert "<li><b>✓</b> approval_rate of " in text


def test_a_logarithmic_axis_gives_equal_factors_equal_steps() -> None:
    axis = Axis("rows", 1, 10_000, [], is_log=True)

    assert [axis.share(10.0**power) for power in range(5)] == pytest.approx([0, 0.25, 0.5, 0.75, 1])
    assert Axis("flat", 3, 3, []).share(3) == 0.5


def test_words_near_the_right_edge_are_written_to_the_left() -> None:
    plot = Plot("", Axis("", 0, 1, []), Axis("", 0, 1, []))
    plot.rule(0.1, "low")
    plot.rule(0.95, "high")

    chart = ET.fromstring(plot.svg())  # noqa: S314
    anchors = {text.text: text.get("text-anchor") for text in chart.iter("text")}
    assert (anchors["low"], anchors["high"]) == ("start", "end")
