"""Command line: what `bentoml` was given as arguments of the service."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

__all__ = ["command_line_arguments"]


def command_line_arguments(words: Sequence[str] | None = None) -> dict[str, Any]:
    """The arguments of `--arg` and `--arg-file` of a `bentoml` command; empty in another process.

    BentoML mixes them with the arguments of a bento or a bentofile, and a bento's replace them.

    Args:
        words: the command line, by default of this process.
    """
    words = sys.argv if words is None else words
    program = Path(words[0] if words else "")
    if program.stem != "bentoml" and (program.parent.name, program.stem) != ("bentoml", "__main__"):
        return {}
    given: dict[str, Any] = {}
    for word, after in zip(words, [*words[1:], ""], strict=True):
        option, is_whole, value = word.partition("=")
        value = value if is_whole else after
        if option == "--arg":
            name, _, value = value.partition("=")
            given[name] = value
        elif option == "--arg-file":
            given = (msgspec.yaml.decode(Path(value).read_bytes()) or {}) | given
    return given
