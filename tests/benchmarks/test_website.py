"""The site has every page, command and public name, and its links lead where GitHub's lead."""

from __future__ import annotations

import re

import pytest

import bentoml_ext
from benchmarks.website import api, commands, page, pages
from bentoml_ext.cli import ext
from tests.support.commands import ROOT

NAMES = {"README.md": "index.md", "docs/a.md": "a.md", "docs/decisions/b.md": "decisions/b.md"}


def test_the_navigation_has_every_page_once() -> None:
    named = re.findall(r'= "([\w/-]+\.md)" \}', (ROOT / "zensical.toml").read_text())

    assert sorted(named) == sorted(pages())


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("README.md", "[a](docs/a.md#one)", "[a](a.md#one)"),
        ("README.md", "![a](docs/over.svg)", "![a](over.svg)"),
        ("docs/decisions/b.md", "[a](../a.md)", "[a](../a.md)"),
        ("docs/a.md", "[home](../README.md)", "[home](index.md)"),
        ("docs/a.md", "[here](#one), [there](https://example.org/a.md)", None),
        ("docs/a.md", "the [code](../services/runner.py)", "the code"),
    ],
)
def test_a_link_leads_to_the_same_page(name: str, text: str, expected: str | None) -> None:
    assert page(text, name, NAMES) == (text if expected is None else expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("It has\n- one\n  and more\n- two\nend", "It has\n\n- one\n  and more\n- two\nend"),
        ("It has\n\n1. one", "It has\n\n1. one"),
        ("```\nIt has\n- one\n```", "```\nIt has\n- one\n```"),
    ],
)
def test_a_list_has_a_blank_line_ahead(text: str, expected: str) -> None:
    assert page(text, "docs/a.md", NAMES) == expected


def test_the_pages_have_every_command_and_every_public_name() -> None:
    for name in ext.commands:
        assert f"## bentoml ext {name}\n" in commands()
    for name in bentoml_ext.__all__:
        assert f"heading: bentoml_ext.{name}\n" in api()
