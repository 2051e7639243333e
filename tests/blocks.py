"""Blocks: the fenced blocks of a page, and what of them a shell can run on a port of its own."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.commands import ROOT, environment

__all__ = ["PAGES", "Block", "blocks_of", "plain", "run"]

PAGES = ["README.md", *sorted(str(path.relative_to(ROOT)) for path in ROOT.glob("docs/*.md"))]
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
    def first(self) -> str:
        """Its first command without a comment, by which a list names it."""
        lines = (line.split(" #")[0] for line in self.text.splitlines())
        return next(
            (
                " ".join(line.split())
                for line in lines
                if line.strip("# \n") and not line.startswith("#")
            ),
            "",
        )


def blocks_of(page: str) -> list[Block]:
    """The blocks of a page, in order."""
    text = (ROOT / page).read_text(encoding="utf-8")
    return [
        Block(page, text.count("\n", 0, found.start()) + 2, found[2], found[3])
        for found in FENCE.finditer(text)
    ]


def run(text: str, home: Path, folder: Path, url: str) -> subprocess.CompletedProcess[str]:
    """Commands as a reader types them, with the environment's programs and a server's own address.

    Args:
        text: of the block.
        home: BENTOML_HOME.
        folder: to run in.
        url: of a server, in the place of localhost:3000.
    """
    here = re.sub(r"(http://)?localhost:3000", url, text)
    return subprocess.run(
        ["bash", "-e", "-c", here],
        cwd=folder,
        env=environment(home),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def plain(text: str) -> str:
    """What a command prints, without what differs from run to run."""
    text = re.sub(r"(credit_risk_model):\w+", r"\1:VERSION", text.strip())
    text = re.sub(r"\b[\d.]+ s, [\d,]+ rows/s", "SECONDS", text)
    # Digits beyond the third are the machine's: another one trains with other last bits.
    return re.sub(r"(0\.\d{3})\d+", r"\1", text)
