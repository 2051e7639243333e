"""The version comes from git's tags, in each way in which a user gets the files."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.commands import ROOT
from tests.support.installs import uv

pytestmark = pytest.mark.slow

FILES = ("pyproject.toml", "README.md", "LICENSE", ".gitattributes", ".git_archival.txt")
AUTHOR = ("-c", "user.name=a", "-c", "user.email=a@example.org")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """What names the version, in a repository of its own with one commit."""
    folder = tmp_path / "project"
    (folder / "bentoml_ext").mkdir(parents=True)
    for name in (*FILES, "bentoml_ext/py.typed"):
        shutil.copy(ROOT / name, folder / name)
    git(folder, "init", "--quiet")
    git(folder, "add", "--all")
    commit(folder)
    return folder


def git(folder: Path, *arguments: str) -> None:
    subprocess.run(["git", *AUTHOR, *arguments], cwd=folder, check=True)


def commit(folder: Path) -> None:
    git(folder, "commit", "--quiet", "--allow-empty", "--message", "a commit")


def tag(folder: Path) -> None:
    git(folder, "tag", "--annotate", "v7.5.0", "--message", "a release")


def version(folder: Path) -> str:
    """Of the sdist that is built of a folder."""
    uv("build", "--quiet", "--sdist", "--out-dir", folder / "dist", folder)
    (sdist,) = (folder / "dist").glob("*.tar.gz")
    return sdist.name.removeprefix("bentoml_ext-").removesuffix(".tar.gz")


def test_a_tag_is_the_version_and_a_later_commit_is_on_the_way_to_the_next(project: Path) -> None:
    tag(project)
    released = version(project)
    shutil.rmtree(project / "dist")
    commit(project)

    assert (released, version(project)) == ("7.5.0", "7.5.1.dev1")


def test_an_archive_of_a_tag_is_its_version(project: Path, tmp_path: Path) -> None:
    tag(project)
    git(project, "archive", "--output", str(tmp_path / "project.tar"), "HEAD")
    shutil.unpack_archive(tmp_path / "project.tar", tmp_path / "archive")

    assert version(tmp_path / "archive") == "7.5.0"


def test_without_a_tag_or_without_git_a_version_is_below_every_release(
    project: Path, tmp_path: Path
) -> None:
    untagged = version(project)
    ignored = shutil.ignore_patterns(".git", "*.egg-info", "dist")
    shutil.copytree(project, tmp_path / "copy", ignore=ignored)

    assert (untagged, version(tmp_path / "copy")) == ("0.1.dev1", "0.0")
