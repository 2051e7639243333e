"""Every block of README and docs is run in order, as a reader types it, or is listed with why."""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from models.fields import EXAMPLE
from tests.support.blocks import PAGES, Block, blocks_of, plain, without_blocks
from tests.support.commands import ROOT, environment
from tests.support.readers import Reader
from tests.support.servers import Server, serve
from tests.support.walks import Walk, commands_of, unknown

pytestmark = pytest.mark.slow

BLOCKS = [block for page in PAGES for block in blocks_of(page)]
SHELL = ("bash", "console", "sh")
WALKS = sorted({block.page for block in BLOCKS if block.language in SHELL}, key=PAGES.index)
"""Pages whose commands are run from the first line to the last, in one folder, on one server."""

OWN_FOLDER = ("docs/deploy.md", "docs/from-the-course.md")
"""Pages that are read in a folder of the reader's own, beside `service.py`; others in the clone."""

KEPT = {
    "README.md": "my_model",
    "docs/import.md": "my_model",
    "docs/from-the-course.md": "credit_risk_model",
}
"""Names under which a page's reader has kept a model as the course does."""

STORED = {"docs/export.md": "credit_risk_model", "docs/deploy.md": "my_model"}
"""Names under which a page's reader has stored a model by the plugin."""

READERS_OWN = {*KEPT, *STORED} - {"README.md"}
"""Pages for readers of another project; the others continue after `make serve`."""

NEEDS_DOCKER = "docker; tests/whole/test_package.py installs what the image installs"
NEEDS_CLUSTER = (
    "a cluster of several nodes; tests/offline/test_ray_engine.py runs one on this machine"
)

NOT_RUN = {
    "make serve": "tests/whole/test_make.py runs it in a fresh clone",
    ". .venv/bin/activate": "the tests run in that environment",
    "pip ": "tests/whole/test_package.py installs the wheel in environments of its own",
    "bentoml containerize": NEEDS_DOCKER,
    "docker ": NEEDS_DOCKER,
    "ray start": NEEDS_CLUSTER,
    "bentoml ext score credit_risk_model:latest /share/book": NEEDS_CLUSTER,
    "locust ": "locust, which is not among the libraries of the project",
}
"""How commands begin that are not run here, and why."""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, reader: Reader) -> Path:
    """A clone of what git knows and will know, and the reader's own files."""
    clone = tmp_path_factory.mktemp("clone")
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, names.split("\0")):
        if (ROOT / name).is_file():
            (clone / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, clone / name)
    reader.write(clone)
    reader.write_pipeline(clone)
    subprocess.run(["git", "init", "--quiet"], cwd=clone, check=True)
    subprocess.run(["git", "add", "--all"], cwd=clone, check=True)
    return clone


@pytest.fixture(scope="module")
def server(home: Path, folder: Path) -> Iterator[Server]:
    """What `make serve` leaves running: a model of generated applications, served."""
    trained = subprocess.run(
        [sys_python(), "-m", "models.train"],
        cwd=folder,
        env=environment(home),
        capture_output=True,
        text=True,
        check=False,
    )
    assert trained.returncode == 0, trained.stderr
    with serve(home, cwd=folder, BACKEND="onnx") as running:
        yield running


def sys_python() -> str:
    """The interpreter of the environment's own commands, and they ahead of others."""
    import sys

    scripts = str(Path(sys.executable).parent)
    if not os.environ["PATH"].startswith(scripts):
        os.environ["PATH"] = f"{scripts}{os.pathsep}{os.environ['PATH']}"
    return sys.executable


def why_not_run(command: str) -> str | None:
    return next((NOT_RUN[begin] for begin in NOT_RUN if command.startswith(begin)), None)


@pytest.fixture(scope="module")
def reader() -> Reader:
    return Reader.trained()


@pytest.fixture(scope="module")
def walk(
    server: Server,
    reader: Reader,
    home: Path,
    folder: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[[str], Walk]:
    """The walk of a page, with the models that its reader has stored."""

    def start(page: str) -> Walk:
        own = tmp_path_factory.mktemp("home")
        if page not in READERS_OWN:
            shutil.copytree(home / "models", own / "models")
        if page in KEPT:
            reader.store(own, KEPT[page])
        if page in STORED:
            reader.store_bundle(own, STORED[page])
        if page not in OWN_FOLDER:
            return Walk(own, folder, server.url, EXAMPLE)
        place = tmp_path_factory.mktemp("own")
        reader.write(place)
        for block in blocks_of(page):
            if block.language == "json":
                (place / "policy.json").write_text(block.text)
        return Walk(own, place, server.url, EXAMPLE)

    return start


@pytest.mark.parametrize("page", WALKS)
def test_the_walk_works_from_its_first_line_to_its_last(
    page: str, walk: Callable[[str], Walk]
) -> None:
    blocks, here = blocks_of(page), walk(page)
    for block, after in zip(blocks, [*blocks[1:], None], strict=True):
        if block.language not in SHELL:
            here.write(block)
            continue
        follows = after and after.language in ("", "json") and after.line == block.next
        shown = after.text if after and follows else ""
        printed = [
            here.type(command, fails=shown.startswith(("Error:", "Expected")))
            for command in commands_of(block.text)
            if not why_not_run(command)
        ]

        if shown:
            assert plain("".join(printed)) == plain(shown), f"{page}:{block.next}"


def test_a_walk_leaves_nothing_that_git_sees(server: Server, folder: Path) -> None:
    status = ["git", "status", "--porcelain", "--untracked-files=all"]
    ended = subprocess.run(status, cwd=folder, capture_output=True, text=True, check=True)

    left = [line for line in ended.stdout.splitlines() if line.startswith("??")]
    assert left == []


def test_every_reason_not_to_run_is_of_a_command_that_is_there() -> None:
    shell = [block for block in BLOCKS if block.language in SHELL]
    commands = [command for block in shell for command in commands_of(block.text)]

    for begin in NOT_RUN:
        assert any(command.startswith(begin) for command in commands), begin


@pytest.mark.parametrize("page", PAGES)
def test_a_command_within_a_sentence_is_one_that_there_is(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    for said in re.findall(r"`([^`\n]+)`", without_blocks(text)):
        if why := unknown(said):
            pytest.fail(f"{said}: {why}")


@pytest.mark.parametrize(
    "block",
    [block for block in BLOCKS if block.language in ("python", "json", "toml", "yaml")],
    ids=lambda block: f"{block.page}:{block.line}",
)
def test_what_is_said_to_be_code_or_data_is(block: Block) -> None:
    if block.language == "python":
        ast.parse(block.text)
    elif block.language == "json":
        json.loads(block.text)
    elif block.language == "toml":
        msgspec.toml.decode(block.text)
    else:
        msgspec.yaml.decode(block.text)


@pytest.mark.parametrize("page", PAGES)
def test_every_link_leads_somewhere(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    for target in re.findall(r"\]\((?!https?:)([^)\s]*)\)", text):
        name, _, anchor = target.partition("#")
        path = (ROOT / page).parent / name if name else ROOT / page
        assert path.exists(), target
        if anchor:
            heads = re.findall(r"^#+ (.*)$", path.read_text(encoding="utf-8"), re.MULTILINE)
            slugs = [re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads]
            assert anchor in slugs, target
