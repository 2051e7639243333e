"""The English of comments, docstrings, messages and pages: no word that CONTRIBUTING.md bans."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.support.commands import ROOT

PACKAGES = ("bentoml_ext", "models", "services", "benchmarks")
PAGES = ("README.md", "CONTRIBUTING.md", "SECURITY.md", "docs/**/*.md")

MESSAGE = 25
"""A string literal that is longer is a message for a person; a shorter one is a key or a name."""

COMPARED = (
    "longer|more|less|fewer|better|worse|faster|slower|later|sooner|larger|smaller|higher|lower"
)
BANNED = {
    "told, tell": re.compile(r"\b(told|tells?|telling)\b", re.I),
    "come to": re.compile(r"\b(comes?|came|coming) to\b", re.I),
    "is none": re.compile(r"\b(is|are|was|were|be) none\b"),
    "is no": re.compile(rf"(?<!there )\b(is|are|was|were|be) no (?!({COMPARED})\b)(?=\w)", re.I),
    "of which": re.compile(r"\bof which\b", re.I),
    "else": re.compile(r"(?<!thing )(?<!body )(?<!one )(?<!all )(?<!what )\belse\b", re.I),
}
"""Each with its plain form in CONTRIBUTING.md."""
CODE = re.compile(r"(`+).+?\1", re.S)
FENCE = re.compile(r"^ *```.*?^ *```", re.S | re.M)
"""Code says what Python says: `else` is a keyword there."""


class Prose(NamedTuple):
    line: int
    text: str


def blanked(found: re.Match[str]) -> str:
    """The lines stay where they are, so that a finding names its line."""
    return "\n" * found[0].count("\n") or "CODE"


def comments(source: str) -> Iterator[Prose]:
    """Lines of comment that follow each other are one text: a phrase may go over the edge."""
    start, last, lines = 0, 0, list[str]()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            line = token.start[0]
            if lines and line != last + 1:
                yield Prose(start, "\n".join(lines))
                lines = []
            start = start if lines else line
            last = line
            lines.append(token.string.lstrip("# "))
    if lines:
        yield Prose(start, "\n".join(lines))


def literals(source: str) -> Iterator[Prose]:
    """Docstrings and messages; what an f-string puts in is left out."""
    tree = ast.parse(source)
    inside = {
        id(part)
        for node in ast.walk(tree)
        if isinstance(node, ast.JoinedStr)
        for part in node.values
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            text = "".join(
                str(part.value) if isinstance(part, ast.Constant) else "VALUE"
                for part in node.values
            )
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            text = node.value
        else:
            continue
        if id(node) not in inside and len(text) > MESSAGE:
            yield Prose(node.lineno, text)


def prose(path: Path) -> Iterator[Prose]:
    text = path.read_text()
    if path.suffix == ".py":
        yield from comments(text)
        yield from literals(text)
    else:
        yield Prose(1, FENCE.sub(blanked, text))


def findings(path: Path) -> list[str]:
    """`file:line: banned word: the words around it`, one for each."""
    found = list[str]()
    for line, text in prose(path):
        plain = CODE.sub(blanked, text)
        flat = re.sub(r"\s", " ", plain)
        for name, banned in BANNED.items():
            for match in banned.finditer(flat):
                at = line + plain.count("\n", 0, match.start())
                around = flat[max(0, match.start() - 40) : match.end() + 40]
                found.append(f"{path.relative_to(ROOT)}:{at}: '{name}' in '{around}'")
    return found


def paths() -> list[Path]:
    packages = [path for name in PACKAGES for path in (ROOT / name).rglob("*.py")]
    return sorted([*packages, *(path for page in PAGES for path in ROOT.glob(page))])


def test_no_file_holds_a_banned_word() -> None:
    assert not [finding for path in paths() for finding in findings(path)]


@pytest.mark.parametrize(
    ("text", "banned"),
    [
        ("# What the caller is\n# told of the file.", "told, tell"),
        ('"""Bytes that the lines come\nto, at most."""', "come to"),
        ('raise OSError(f"The folder of {name} is none.")', "is none"),
        ('raise OSError(f"Got {name}, which is no folder.")', "is no"),
        ('f(help="Two files, of which one is empty.")', "of which"),
        ('f(help="A row if the file has one, else NaN.")', "else"),
    ],
)
def test_a_banned_word_is_found(text: str, banned: str) -> None:
    texts = [*comments(text), *literals(text)]

    assert [
        name for name, word in BANNED.items() if word.search(re.sub(r"\s", " ", texts[0].text))
    ] == [banned]


@pytest.mark.parametrize(
    "text",
    [
        "# There is no file; it is no longer read.",
        "value = 1 if 'is none' else 2",
        "told = 'a key'",
    ],
)
def test_plain_words_and_code_are_left_alone(text: str) -> None:
    texts = [*comments(text), *literals(text)]

    assert not [each for each in texts if any(word.search(each.text) for word in BANNED.values())]
