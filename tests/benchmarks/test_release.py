"""A release is refused where it would hold another thing than the tagged tree says."""

from __future__ import annotations

import subprocess
import tarfile
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pytest

from benchmarks.release import SDIST, Refused, check_changelog, check_sdist, check_wheel, tagged

FILES = ("bentoml_ext/__init__.py", "bentoml_ext/py.typed")
INFO = ("METADATA", "WHEEL", "licenses/LICENSE")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "README.md").write_text("one")
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", "--all")
    git(tmp_path, "commit", "--quiet", "--message", "one")
    return tmp_path


def git(folder: Path, *arguments: str) -> None:
    author = ("-c", "user.name=a", "-c", "user.email=a@example.org")
    subprocess.run(["git", *author, *arguments], cwd=folder, check=True)


def wheel_of(folder: Path, files: Sequence[str]) -> Path:
    path = folder / "bentoml_ext-1.2.3-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        for name in (*files, *(f"bentoml_ext-1.2.3.dist-info/{name}" for name in INFO)):
            wheel.writestr(name, "")
    return path


def sdist_of(folder: Path, files: Sequence[str]) -> Path:
    path = folder / "bentoml_ext-1.2.3.tar.gz"
    with tarfile.open(path, "w:gz") as sdist:
        for name in (*files, "PKG-INFO"):
            sdist.addfile(tarfile.TarInfo(f"bentoml_ext-1.2.3/{name}"))
    return path


def test_a_clean_tree_with_a_tag_is_its_version(tree: Path) -> None:
    git(tree, "tag", "v1.2.3")
    git(tree, "tag", "before-the-move")

    assert tagged(tree) == "1.2.3"


def test_a_tree_without_a_tag_is_refused(tree: Path) -> None:
    with pytest.raises(Refused, match="got none - at HEAD"):
        tagged(tree)


@pytest.mark.parametrize("name", ["README.md", "unknown.py"])
def test_a_changed_or_unknown_file_is_refused(tree: Path, name: str) -> None:
    git(tree, "tag", "v1.2.3")
    (tree / name).write_text("two")

    with pytest.raises(Refused, match=f"clean tree.* - at {name}"):
        tagged(tree)


def test_a_changelog_with_the_version_and_its_day_is_taken() -> None:
    check_changelog("# C\n\n## Unreleased\n\n## 1.2.3 - 2026-11-27\n\n- One.\n", "1.2.3")


@pytest.mark.parametrize(
    "text",
    [
        "## Unreleased\n- One.\n",
        "## 1.2.3\n- One.\n",
        "## 1.2.30 - 2026-11-27\n- One.\n",
        "## 1x2.3 - 2026-11-27\n- One.\n",
        "## 1.2.3 - 2026-11-27\n\n## 1.2.2 - 2026-11-01\n- One.\n",
    ],
)
def test_a_changelog_that_says_nothing_of_the_version_is_refused(text: str) -> None:
    with pytest.raises(Refused, match=r"'## 1\.2\.3 - YEAR-MONTH-DAY'"):
        check_changelog(text, "1.2.3")


def test_the_package_alone_is_taken(tmp_path: Path) -> None:
    check_wheel(wheel_of(tmp_path, FILES), "1.2.3", FILES)
    check_sdist(sdist_of(tmp_path, (*FILES, *SDIST)), "1.2.3", FILES)


@pytest.mark.parametrize("more", ["tests/__init__.py", "shared/data/a.csv", "bentoml_ext/old.py"])
def test_a_file_that_is_not_of_the_package_is_refused(tmp_path: Path, more: str) -> None:
    wheel, sdist = wheel_of(tmp_path, (*FILES, more)), sdist_of(tmp_path, (*FILES, *SDIST, more))

    with pytest.raises(Refused, match=f"0 less and 1 more - at .*, {more}"):
        check_wheel(wheel, "1.2.3", FILES)
    with pytest.raises(Refused, match=f"0 less and 1 more - at .*{more}"):
        check_sdist(sdist, "1.2.3", FILES)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match=r"1 less and 0 more - at .*, bentoml_ext/py\.typed"):
        check_wheel(wheel_of(tmp_path, FILES[:1]), "1.2.3", FILES)
    with pytest.raises(Refused, match=r"Expected bentoml_ext/py\.typed"):
        check_wheel(wheel_of(tmp_path, FILES[:1]), "1.2.3", FILES[:1])
    with pytest.raises(Refused, match="1 less and 0 more"):
        check_sdist(sdist_of(tmp_path, (*FILES[:1], *SDIST)), "1.2.3", FILES)


def test_another_version_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match=r"bentoml_ext-1\.2\.3\.dist-info"):
        check_wheel(wheel_of(tmp_path, FILES), "1.2.4", FILES)
