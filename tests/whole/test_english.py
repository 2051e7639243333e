"""The English of comments, docstrings, messages and pages: no banned word, no long sentence."""

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


WORDS = 25
"""The most words of a sentence."""
TABLE = re.compile(r"^ *(\||.*[│├└]).*$", re.M)
HEADING = re.compile(r"^#+ .*$", re.M)
LINK = re.compile(r"!?\[([^\]]*)\]\([^)]*\)")
BLOCK = re.compile(
    r"\n\s*\n"  # a blank line
    r"|\n(?=\s*(?:[-*]|\d+\.|>)\ )"  # an item, a quotation
    r"|(?<=\w)\ ·\s"  # a list within a line
    r"|\n(?=\s*[*\w][\w, *]*:\ )",  # an argument of a docstring
    re.X,
)
"""Where a text that is not a sentence may end."""
END = re.compile(
    r"(?<=[.!?:])(?<!\.\.\.)[\"')*]*\s+(?=[\"'(*]*[A-Z])|(?<=[.!?])(?<!\.\.\.)[\"')*]*\s+"
)


class Prose(NamedTuple):
    line: int
    text: str


def blanked(found: re.Match[str]) -> str:
    """The lines stay where they are, so that a finding names its line."""
    end = found[0].rstrip("`")[-1:]
    return "\n" * found[0].count("\n") or ("CODE." if end == "." else "CODE")


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


def sentences(text: str) -> Iterator[str]:
    """The sentences of a text without tables; code is one word."""
    plain = LINK.sub(r"\1", TABLE.sub("\n", HEADING.sub("\n\n", CODE.sub(blanked, text))))
    for block in BLOCK.split(plain):
        yield from (sentence.strip() for sentence in END.split(" ".join(block.split())))


def words_of(sentence: str) -> int:
    """The number of words; a figure is not a word, and a program in a literal has none."""
    if " = " in sentence:
        return 0
    return sum(re.search(r"[^\W\d]", word) is not None for word in sentence.split())


def long_sentences(path: Path) -> Iterator[str]:
    """`file:line: number of words: the sentence`, one for each; the line is that of its text."""
    for line, text in prose(path):
        for sentence in sentences(text):
            if (count := words_of(sentence)) > WORDS:
                yield f"{path.relative_to(ROOT)}:{line}: {count} words: {sentence}"


def paths() -> list[Path]:
    packages = [path for name in PACKAGES for path in (ROOT / name).rglob("*.py")]
    return sorted([*packages, *(path for page in PAGES for path in ROOT.glob(page))])


def test_no_file_holds_a_banned_word() -> None:
    assert not [finding for path in paths() for finding in findings(path)]


def test_no_sentence_is_long() -> None:
    assert not [found for path in paths() for found in long_sentences(path)]


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


LONG = " ".join(["word"] * 26)


@pytest.mark.parametrize(
    ("text", "longest"),
    [
        (f"{LONG}.", 26),
        (f"{LONG}; {LONG}.", 52),
        (f"Short. {LONG} `code and\n`code` [a link](of/some.md).", 29),
        (f"- {LONG}\n  {LONG}\n- an item", 52),
        (f"Args:\n    name: {LONG}\n    other: of rows.", 27),
    ],
)
def test_a_long_sentence_is_found(text: str, longest: int) -> None:
    assert max(words_of(sentence) for sentence in sentences(text)) == longest


@pytest.mark.parametrize(
    "text",
    [
        f"{LONG[:60]}. {LONG[:60]}.",
        f"- {LONG[:60]}\n- {LONG[:60]}\n\n{LONG[:60]}",
        f"| {LONG} | {LONG} |",
        f"## {LONG[:60]}\n{LONG[:60]}",
        f"`{LONG}` is code, and so is local {LONG} = 1",
        " ".join(["1 000"] * 30),
    ],
)
def test_short_sentences_and_what_is_not_prose_are_left_alone(text: str) -> None:
    assert all(words_of(sentence) <= WORDS for sentence in sentences(text))


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
