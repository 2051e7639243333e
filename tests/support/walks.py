"""Walks: the commands of a page, in order, as a reader types them after `make serve`."""

from __future__ import annotations

import importlib
import re
import shlex
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click

from bentoml_ext.cli import ext
from tests.support.blocks import Block
from tests.support.commands import ROOT, environment
from tests.support.servers import Server, serve

__all__ = ["Walk", "commands_of", "unknown"]

SETTING = re.compile(r"[A-Z_]+=\S*")
COMMENT = re.compile(r"(^|\s+)# .*$")
OTHER_MACHINE = "bentoml import "
"""The command that a reader types on another machine, as those that follow."""


@dataclass
class Walk:
    """A reader who follows one page.

    Args:
        home: BENTOML_HOME of the machine that the page is at.
        folder: where commands are typed.
        url: of the server that `make serve` started, in the place of port 3000.
        application: that a server which the page starts has to answer.
    """

    home: Path
    folder: Path
    url: str
    application: dict[str, object]

    def type(self, command: str, *, fails: bool) -> str:
        """Run a command and return what it printed; a server is asked, and ended.

        Args:
            command: a line of a shell.
            fails: whether the page says that it does.
        """
        if command.startswith(OTHER_MACHINE):
            self.home = self.home.with_name(f"{self.home.name}-other")
            self.home.mkdir()
        variables, words = _split(command)
        if words[:2] == ["bentoml", "serve"] and "--port" not in words:
            return self._serve(words[2:], variables)
        ended = subprocess.run(
            ["bash", "-e", "-c", self._here(command)],
            cwd=self.folder,
            env=environment(self.home),
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        told = f"{command}\n{ended.stdout}{ended.stderr}"
        assert ended.returncode == (1 if fails else 0), told
        return self._there(ended.stderr if fails else ended.stdout)

    def write(self, block: Block) -> None:
        """Keep a file whose name the block's first line gives."""
        if named := re.match(r"# (\w+\.py)\n", block.text):
            (self.folder / named[1]).write_text(block.text)

    def _here(self, command: str) -> str:
        port = self.url.rpartition(":")[2]
        here = re.sub(r"(http://)?localhost:3000", self.url, command).replace("3000", port)
        here = here.replace("~/bentoml", str(self.home))
        latest = self.home / "bentos" / "my_service" / "latest"
        return here.replace("VERSION", latest.read_text()) if "VERSION" in here else here

    def _there(self, printed: str) -> str:
        port = int(self.url.rpartition(":")[2])
        return printed.replace(str(port), "3000").replace(str(port + 1), "3001")

    def _serve(self, words: list[str], variables: dict[str, str]) -> str:
        target, *options = words or ["."]
        with serve(
            self.home, target, *options, cwd=self.folder, wait=Server.wait, **variables
        ) as server:
            answer = server.client.post("/classify", json=self.application)
            assert answer.status_code == 200, answer.text
        return ""


def commands_of(text: str) -> Iterator[str]:
    """The commands of a block, each with its further lines and without comments."""
    command = ""
    for line in text.splitlines():
        command += COMMENT.sub("", line) + "\n"
        if command.strip() and command.count("'") % 2 == 0 and not command.endswith("\\\n"):
            yield command.strip()
            command = ""


def unknown(said: str) -> str | None:
    """What a command within a sentence names that there is not: a file, a target, an option.

    Args:
        said: words in the type of code; those that are no command of ours have nothing unknown.
    """
    words = [word for word in re.sub(r"[\[\]]", "", said).split() if not SETTING.fullmatch(word)]
    if words[:3] == ["python", "-m", "pytest"]:
        return next((w for w in words if w.endswith(".py") and not (ROOT / w).exists()), None)
    if words[:2] == ["python", "-m"]:
        return _option(_command_of(words[2]), words[3:])
    if words[:2] == ["bentoml", "ext"] and len(words) > 2 and words[2] != "...":
        return _option(ext.commands[words[2]], words[3:]) if words[2] in ext.commands else words[2]
    if words[:1] == ["make"] and len(words) > 1:
        makefile = (ROOT / "Makefile").read_text()
        return None if re.search(rf"^{words[1]}:", makefile, re.MULTILINE) else words[1]
    return None


def _command_of(module: str) -> click.Command:
    """The command that `python -m MODULE` runs."""
    named = importlib.import_module(module)
    if hasattr(named, "__path__"):
        named = importlib.import_module(f"{module}.__main__")
    return next(one for one in vars(named).values() if isinstance(one, click.Command))


def _option(command: click.Command, words: list[str]) -> str | None:
    """The first option that a command does not have."""
    try:
        command.make_parser(click.Context(command)).parse_args(words)
    except click.NoSuchOption as error:
        return str(error)
    except click.BadOptionUsage:
        # An option that is named without its value.
        return None
    return None


def _split(command: str) -> tuple[dict[str, str], list[str]]:
    """The variables ahead of a command, and its words."""
    words = shlex.split(command)
    variables = {}
    while words and SETTING.fullmatch(words[0]):
        name, _, variables[name] = words.pop(0).partition("=")
    return variables, words
