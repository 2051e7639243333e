"""Release: wheel and sdist of the tag at HEAD, checked as a user gets them. Publishes nothing.

python -m benchmarks.release
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Final

import click

__all__ = ["check_changelog", "check_sdist", "check_wheel", "tagged"]

ROOT: Final = Path(__file__).parents[1]
UV: Final = Path(sys.executable).with_name("uv")
LIMIT_S: Final = 1800.0

TOOLS: Final = (
    ("check-wheel-contents==0.6.3", "check-wheel-contents"),
    ("twine==7.0.0", "twine", "check", "--strict"),
)
"""Programs that judge the built files, at pinned versions."""

SDIST: Final = frozenset({"CHANGELOG.md", "LICENSE", "README.md", "pyproject.toml"})
"""What the sdist has beside the package; setuptools adds PKG-INFO, setup.cfg and its egg-info."""

EXTRAS: Final = "pipelines-cpu,bench"
PAGES: Final = ("README.md", "docs/deploy.md", "docs/import.md")
"""Pages whose commands a user of the wheel types, and the extras that they need."""


class Refused(click.ClickException):
    """A release that must not be made; says why."""


@click.command()
@click.option("--out", type=click.Path(path_type=Path), default=ROOT / "dist", help="A folder.")
def release(out: Path) -> None:
    """Build the release of the tag at HEAD, check it, and write it to --out."""
    version = tagged(ROOT)
    check_changelog((ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), version)
    with tempfile.TemporaryDirectory(prefix="bentoml_ext-release-") as folder:
        clone, built = Path(folder, "clone"), Path(folder, "built")
        _run("git", "clone", "--quiet", ROOT, clone)
        files = _lines("git", "ls-files", "bentoml_ext", cwd=clone)
        _run(UV, "build", "--quiet", "--no-create-gitignore", "--out-dir", built, clone)
        wheel, sdist = next(built.glob("*.whl")), next(built.glob("*.tar.gz"))
        check_wheel(wheel, version, files)
        check_sdist(sdist, version, files)
        for tool, *command in TOOLS:
            judged = [wheel] if "wheel" in tool else [wheel, sdist]
            _run(UV, "tool", "run", "--quiet", "--from", tool, *command, *judged)
        _try_wheel(wheel, version, Path(folder, "small"))
        _try_pages(wheel, clone, Path(folder, "whole"))
        shutil.rmtree(out, ignore_errors=True)
        shutil.copytree(built, out)
    click.echo(f"{out} has bentoml-ext {version}, checked. To publish: git push origin v{version}")


def tagged(root: Path) -> str:
    """The version that a clean checkout is tagged with.

    Raises:
        Refused: the tree has changes or unknown files, or HEAD is not tagged.
    """
    if changed := _lines("git", "status", "--porcelain", cwd=root):
        raise Refused(
            f"Expected a clean tree, got {len(changed)} changed or unknown files - at "
            f"{changed[0][3:]}. Commit them, or remove them."
        )
    tags = _lines("git", "tag", "--points-at", "HEAD", "--list", "v[0-9]*", cwd=root)
    if len(tags) != 1:
        raise Refused(
            f"Expected one tag such as v1.2.3, got {' and '.join(tags) or 'none'} - at HEAD. "
            "git tag --annotate v1.2.3 names the release."
        )
    return tags[0].removeprefix("v")


def check_changelog(text: str, version: str) -> None:
    """Refuse a changelog that does not say what a version changes.

    Raises:
        Refused: there is no section of the version, or it has no day or no entry.
    """
    sections = re.split(r"^## ", text, flags=re.MULTILINE)[1:]
    heads = [section.partition("\n")[0] for section in sections]
    found = [
        one for one in sections if re.match(rf"{re.escape(version)} - \d{{4}}(-\d\d){{2}}\n", one)
    ]
    if not found or not re.search(r"^- ", found[0], re.MULTILINE):
        raise Refused(
            f"Expected a section '## {version} - YEAR-MONTH-DAY' with an entry, got "
            f"{heads[:3]} - at CHANGELOG.md. Put the entries of Unreleased under it."
        )


def check_wheel(path: Path, version: str, files: Collection[str]) -> None:
    """Refuse a wheel that holds another thing than the package.

    Args:
        path: of the wheel.
        version: that its name and metadata must have.
        files: the tracked files of the package, by their paths from the root.

    Raises:
        Refused: names the file that is missing or too much.
    """
    info = f"bentoml_ext-{version}.dist-info/"
    with zipfile.ZipFile(path) as wheel:
        names = {name for name in wheel.namelist() if not name.startswith(info)}
        found = wheel.namelist()
    _compare(path, names, files)
    for needed in ("bentoml_ext/py.typed", f"{info}METADATA", f"{info}licenses/LICENSE"):
        if needed not in found:
            raise Refused(f"Expected {needed}, got no such file - at {path.name}.")


def check_sdist(path: Path, version: str, files: Collection[str]) -> None:
    """Refuse an sdist that holds another thing than what builds the wheel.

    Args:
        path: of the sdist.
        version: that its folder must have.
        files: as of `check_wheel`.

    Raises:
        Refused: names the file that is missing or too much.
    """
    top = f"bentoml_ext-{version}/"
    made = (top + "PKG-INFO", top + "setup.cfg", top + "bentoml_ext.egg-info/")
    with tarfile.open(path) as sdist:
        names = {one.name for one in sdist.getmembers() if one.isfile()}
    names = {name for name in names if not name.startswith(made)}
    _compare(path, names, {top + name for name in {*files, *SDIST}})


def _compare(path: Path, names: Collection[str], files: Collection[str]) -> None:
    missing, more = sorted(set(files) - set(names)), sorted(set(names) - set(files))
    if missing or more:
        raise Refused(
            f"Expected the tracked files of the package, got {len(missing)} less and {len(more)} "
            f"more - at {path.name}, {(more or missing)[0]}. See MANIFEST.in."
        )


def _try_wheel(wheel: Path, version: str, folder: Path) -> None:
    """Install the wheel alone, at the newest libraries, and ask it for its version and verbs."""
    python = _environment(folder, wheel)
    said = _lines(python, "-c", "import bentoml_ext; print(bentoml_ext.__version__)", cwd=folder)
    if said[-1:] != [version]:
        raise Refused(f"Expected version {version}, got {said} - at {wheel.name}, installed.")
    _run(python.with_name("bentoml"), "ext", "--help", cwd=folder, quiet=True)


def _try_pages(wheel: Path, clone: Path, folder: Path) -> None:
    """Install the wheel with its extras, and type the commands of the pages."""
    python = _environment(folder, f"bentoml-ext[{EXTRAS}] @ file://{wheel}", "pytest", "uv")
    # The tests import what is installed then.
    shutil.rmtree(clone / "bentoml_ext")
    walk = "tests/whole/test_docs.py::test_the_walk_works_from_its_first_line_to_its_last"
    walks = [f"{walk}[{page}]" for page in PAGES]
    _run(python, "-m", "pytest", "--quiet", "-m", "slow", *walks, cwd=clone)


def _environment(folder: Path, *what: str | Path) -> Path:
    """The interpreter of a new environment."""
    _run(UV, "venv", "--quiet", "--python", sys.executable, folder)
    python = folder / "bin" / "python"
    _run(UV, "pip", "install", "--quiet", "--python", python, *what, cwd=folder)
    return python


def _run(*command: str | Path, cwd: Path = ROOT, quiet: bool = False) -> None:
    words = list(map(str, command))
    click.echo(f"$ {' '.join(words)}")
    kept = subprocess.PIPE if quiet else None
    ended = subprocess.run(words, cwd=cwd, stdout=kept, stderr=kept, timeout=LIMIT_S, check=False)
    if ended.returncode:
        raise Refused(f"Expected exit code 0, got {ended.returncode} - at {' '.join(words)}.")


def _lines(*command: str | Path, cwd: Path) -> Sequence[str]:
    """What a command prints, by line."""
    ended = subprocess.run(
        list(map(str, command)),
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    if ended.returncode:
        raise Refused(f"Expected exit code 0, got: {ended.stderr.strip()} - at {command[0]}.")
    return ended.stdout.splitlines()


if __name__ == "__main__":
    release()
