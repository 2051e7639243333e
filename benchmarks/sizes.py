"""Sizes: how long modules and functions are, room by room, beside the aims.

python -m benchmarks.sizes
"""

from __future__ import annotations

import ast
import statistics
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

PACKAGE = Path(__file__).parents[1] / "bentoml_ext"
AIMS = "aims: modules about 120 lines, none over 300; functions under 10, none over 40"


@click.command()
def sizes() -> None:
    """Print the medians and the longest of each room's modules and functions, in lines."""
    modules: dict[str, list[int]] = defaultdict(list)
    functions: dict[str, list[int]] = defaultdict(list)
    for path in sorted(PACKAGE.rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        room = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
        for name in (room if path.parent != PACKAGE else "(single)", "all"):
            if path.stem != "__init__":
                modules[name].append(len(text.splitlines()))
            functions[name] += _functions(text)
    table = Table("room", "modules", "median", "longest", "functions", "median", "longest")
    for name in sorted(modules, key=lambda name: (name == "all", name)):
        table.add_row(name, *_row(modules[name]), *_row(functions[name]))
    Console().print(table, AIMS, sep="\n")


def _functions(text: str) -> Iterator[int]:
    """Lines of each function, without its docstring."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or 0) - node.lineno + 1
            if ast.get_docstring(node):
                lines -= (node.body[0].end_lineno or 0) - node.body[0].lineno + 1
            yield lines


def _row(lines: list[int]) -> list[str]:
    if not lines:
        return ["0", "", ""]
    return [str(len(lines)), f"{statistics.median(lines):.0f}", str(max(lines))]


if __name__ == "__main__":
    sizes()
