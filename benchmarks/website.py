"""Website: the pages of README and docs, the commands' help and the Python API as one site.

python -m benchmarks.website
"""

from __future__ import annotations

import importlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import click

import bentoml_ext
from bentoml_ext.cli import ext

__all__ = ["api", "commands", "page", "pages"]

ROOT: Final = Path(__file__).parents[1]
BUILD: Final = ROOT / "build"
ZENSICAL: Final = Path(sys.executable).with_name("zensical")

OUTSIDE: Final = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
    "CHANGELOG.md": "changelog.md",
}
"""Pages beside docs/, and what the site calls them."""

EXTENDING: Final = (
    "bentoml_ext.backends.Backend",
    "bentoml_ext.export.forms.Form",
    "bentoml_ext.export.to_onnx",
    "bentoml_ext.export.pipeline_to_onnx",
)
"""Public names of other modules."""

LINK: Final = re.compile(r"(!?)\[([^\]]*)\]\((?!\w+:|#)([^)#\s]+)(#[^)\s]*)?\)")
LOADED: Final = re.compile(
    r"""(?:<(?:script|img|iframe|source)\b[^>]*\bsrc=|<link\b[^>]*\bhref=|url\(|@import\s)["']?"""
    r"""(?P<url>(?:https?:)?//[^"'\s)]+)"""
)
ITEM: Final = re.compile(r"([-*]|\d+\.) ")


@click.command()
def website() -> None:
    """Build the site; fail at a broken link, or where a page loads something from elsewhere."""
    source = BUILD / "pages"
    shutil.rmtree(source, ignore_errors=True)
    for name, text in pages().items():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_text(text, encoding="utf-8")
    shutil.copy(ROOT / "docs" / "overview.svg", source)
    shutil.copytree(ROOT / "docs" / "images", source / "images")
    built = subprocess.run([ZENSICAL, "build", "--clean", "--strict"], cwd=ROOT, check=False)
    if built.returncode:
        sys.exit(built.returncode)
    if loaded := sorted(_loaded(BUILD / "site")):
        raise click.ClickException(
            f"Expected pages that load nothing from elsewhere, got {loaded[0]} - at build/site."
        )


def _loaded(site: Path) -> Iterator[str]:
    """What the built pages load from other machines; a link that a reader follows loads nothing."""
    for path in (*site.rglob("*.html"), *site.rglob("*.css")):
        for found in LOADED.finditer(path.read_text(encoding="utf-8")):
            yield f"{found['url']} in {path.relative_to(site)}"


def pages() -> dict[str, str]:
    """Every page of the site by its path there."""
    names = dict(OUTSIDE)
    names |= {
        path.relative_to(ROOT).as_posix(): path.relative_to(ROOT / "docs").as_posix()
        for path in sorted((ROOT / "docs").rglob("*.md"))
    }
    texts = {
        to: page((ROOT / name).read_text(encoding="utf-8"), name, names)
        for name, to in names.items()
    }
    return texts | {"api.md": api(), "commands.md": commands()}


def page(text: str, name: str, names: Mapping[str, str]) -> str:
    """A page of the repository as one of the site.

    Args:
        text: Markdown, as GitHub reads it.
        name: its path from the root.
        names: of each page, its path in the site.
    """
    here = Path(names[name]).parent

    def moved(link: re.Match[str]) -> str:
        mark, said, target, anchor = link.groups("")
        path = os.path.normpath(Path(name).parent / target)
        if path in names:
            return f"[{said}]({os.path.relpath(names[path], here)}{anchor})"
        if mark:
            return f"![{said}]({Path(path).name})"
        # Files of the repository that are not pages.
        return said

    return "\n".join(_spaced(LINK.sub(moved, text).split("\n")))


def _spaced(lines: list[str]) -> Iterator[str]:
    """Lines with a blank one ahead of each list: GitHub needs none there, Python-Markdown one."""
    fenced, before = False, ""
    listed = False
    for line in lines:
        fenced ^= line.lstrip().startswith("```")
        item = ITEM.match(line) is not None
        if item and not fenced and before and not listed:
            yield ""
        # A list goes on over indented lines, and ends with a blank one.
        listed = bool(line) and (item or (listed and line.startswith(" ")))
        yield line
        before = line


def api() -> str:
    """The page of the public names: mkdocstrings reads their docstrings."""
    lines = ["# Python API", ""]
    for name in bentoml_ext.__all__:
        found = getattr(bentoml_ext, name)
        lines += _entry(f"{found.__module__}.{found.__qualname__}", f"bentoml_ext.{name}")
    lines += ["## For other packages", ""]
    for path in EXTENDING:
        module, _, name = path.rpartition(".")
        found = getattr(importlib.import_module(module), name)
        lines += _entry(f"{found.__module__}.{found.__qualname__}", path)
    return "\n".join([*lines, "## Errors", "", "::: bentoml_ext.errors", ""])


def _entry(path: str, name: str) -> list[str]:
    return [f"::: {path}", "    options:", f"      heading: {name}", f"      toc_label: {name}", ""]


def commands() -> str:
    """The page of the commands: their own help."""
    parts = ["# Commands\n"]
    for name, command in sorted(ext.commands.items()):
        context = click.Context(command, info_name=f"bentoml ext {name}", max_content_width=100)
        parts.append(f"## bentoml ext {name}\n\n```text\n{context.get_help()}\n```\n")
    return "\n".join(parts)


if __name__ == "__main__":
    website()
