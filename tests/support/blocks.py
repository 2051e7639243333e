"""Blocks: the fenced blocks of a page, and how what they print is compared."""

from __future__ import annotations

import re
from dataclasses import dataclass

from tests.support.commands import ROOT

__all__ = ["PAGES", "Block", "blocks_of", "plain", "without_blocks"]

PAGES = ["README.md", *sorted(str(path.relative_to(ROOT)) for path in ROOT.glob("docs/**/*.md"))]
FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^ *```$", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """A fenced block.

    Args:
        page: path from the root.
        line: number of its first line.
        language: after the fence; empty for what a command prints.
        text: between the fences.
    """

    page: str
    line: int
    language: str
    text: str

    @property
    def next(self) -> int:
        """The first line of a block whose fence follows at once."""
        return self.line + self.text.count("\n") + 2


def blocks_of(page: str) -> list[Block]:
    """The blocks of a page, in order."""
    text = (ROOT / page).read_text(encoding="utf-8")
    return [
        Block(page, text.count("\n", 0, found.start()) + 2, found[2], found[3])
        for found in FENCE.finditer(text)
    ]


def without_blocks(text: str) -> str:
    """What a page says between its blocks."""
    return FENCE.sub("", text)


def plain(text: str) -> str:
    """What a command prints, without what differs from run to run."""
    text = re.sub(r"(credit_risk_model):\w+", r"\1:VERSION", text.strip())
    text = re.sub(r"\b[\d.]+ s, [\d,]+ rows/s", "SECONDS", text)
    text = re.sub(r"Took [\d.]+ s", "SECONDS", text)
    text = re.sub(r"\d+\.\d+\.\d+", "VERSION", text)
    # A table of a proof: other models have other numbers of splits.
    text = re.sub(
        r"^(\w+ +\w+) +\d[\d,]* +\d[\d,]* +\d[\d,]* +", r"\1 N ", text, flags=re.MULTILINE
    )
    text = re.sub(r" +", " ", text)
    # Digits beyond the third are the machine's: another one trains with other last bits.
    return re.sub(r"(0\.\d{3})\d+", r"\1", text)
