"""Every block of README and docs is run in order, as a reader types it, or is listed with why."""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from tests.blocks import PAGES, Block, blocks_of, plain, run
from tests.commands import ROOT, environment
from tests.servers import Server, serve

pytestmark = pytest.mark.slow

BLOCKS = [block for page in PAGES for block in blocks_of(page)]
SHELL = ("bash", "console", "sh")
WALKS = ("README.md", "docs/scale.md")
"""Pages whose commands are run from the first line to the last, in one folder, on one server."""

MAKES_ALL = "tests/test_make.py runs it in a fresh clone"
NEEDS_CLUSTER = "a cluster of several nodes; tests/test_ray.py runs one on this machine"
OTHERS_MODEL = "a model of the reader's own; tests/test_import_check.py and tests/test_cli.py do it"
NEEDS_PLACE = "a server, a registry or a system of the reader's own"

NOT_RUN: dict[tuple[str, str], str] = {
    ("README.md", "make serve"): MAKES_ALL,
    ("README.md", ". .venv/bin/activate"): "the tests run in that environment",
    (
        "README.md",
        "BACKEND=onnx bentoml serve",
    ): "servers that run on; tests/test_http.py asks one of each backend",
    (
        "README.md",
        "bentoml ext import my_model:latest --name credit_risk_model --check predictions.parquet",
    ): OTHERS_MODEL,
    (
        "README.md",
        "bentoml ext verify model.onnx --booster model.ubj",
    ): "tests/test_verify.py and tests/test_verify_pipeline.py do it",
    ("README.md", "BACKEND=onnx bentoml build"): "tests/test_build.py builds and serves a bento",
    ("docs/scale.md", "ray start --head --port=6379"): NEEDS_CLUSTER,
    (
        "docs/scale.md",
        "bentoml ext score credit_risk_model:latest /share/book -o /share/scored "
        "--keep customer_id --on-error reject \\",
    ): NEEDS_CLUSTER,
}
"""By page and first command: blocks of the walks that are not run, and why."""

PAGES_NOT_RUN = {
    "docs/import.md": OTHERS_MODEL,
    "docs/from-the-course.md": "the course's model; tests/test_course_import.py imports one",
    "docs/clients.md": "clients of other languages; tests/clients.py has those that are here",
    "docs/deploy.md": NEEDS_PLACE,
    "docs/operations.md": NEEDS_PLACE,
    "docs/reliability.md": NEEDS_PLACE,
    "docs/proof.md": OTHERS_MODEL,
    "docs/exactness.md": "figures of the matrix, made by benchmarks/exactness.py",
    "docs/performance.md": "figures of the benchmarks",
    "docs/compatibility.md": "made by `make compat`",
}
"""Pages whose commands are not run here, and why; their Python and JSON is read all the same."""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone of what git knows and will know."""
    clone = tmp_path_factory.mktemp("clone")
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, names.split("\0")):
        if (ROOT / name).is_file():
            (clone / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, clone / name)
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


def is_skipped(block: Block) -> bool:
    return (block.page, block.first) in NOT_RUN


@pytest.mark.parametrize("page", WALKS)
def test_the_walk_works_from_its_first_line_to_its_last(
    page: str, server: Server, home: Path, folder: Path
) -> None:
    blocks = blocks_of(page)
    for block, after in zip(blocks, [*blocks[1:], None], strict=True):
        if block.language not in SHELL or is_skipped(block):
            continue
        ended = run(block.text, home, folder, server.url)

        assert ended.returncode == 0, f"{page}:{block.line}\n{ended.stdout}{ended.stderr}"
        if after is not None and after.language in ("", "json"):
            assert plain(ended.stdout) == plain(after.text), f"{page}:{after.line}"


@pytest.mark.parametrize("page", WALKS)
def test_a_walk_leaves_nothing_that_git_sees(page: str, server: Server, folder: Path) -> None:
    status = ["git", "status", "--porcelain", "--untracked-files=all"]
    ended = subprocess.run(status, cwd=folder, capture_output=True, text=True, check=True)

    left = [line for line in ended.stdout.splitlines() if line.startswith("??")]
    assert left == []


def test_every_list_names_what_is_there() -> None:
    there = {(block.page, block.first) for block in BLOCKS}
    assert [one for one in NOT_RUN if one not in there] == []
    shell = {block.page for block in BLOCKS if block.language in SHELL}
    assert sorted(shell - set(WALKS) - set(PAGES_NOT_RUN)) == []


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
