"""Distributions: what is installed that provides a module, by its true name.

`import xgboost` finds what xgboost or xgboost-cpu has installed, `import onnxruntime` that of
onnxruntime, onnxruntime-gpu and others. Whoever pins or proves names the one that is there.
"""

from __future__ import annotations

import importlib.util
import re
import sys
from dataclasses import dataclass
from functools import cache
from importlib.metadata import Distribution, distribution, distributions, packages_distributions
from pathlib import Path
from typing import Final

__all__ = ["Installed", "extra_here", "installed", "number", "the_extra", "whole"]

WITHOUT_GPU: Final = ("auto", "convert", "pipelines", "xgboost")
"""Extras with xgboost in them, which NAME-cpu has without libraries for GPUs."""


@dataclass(frozen=True)
class Installed:
    """An installed distribution that provides a module.

    Args:
        module: the module's name.
        name: of the distribution.
        version: of the distribution.
    """

    module: str
    name: str
    version: str

    @property
    def requirement(self) -> str:
        """The requirement that installs the same again."""
        return f"{self.name}=={self.version}"

    def __str__(self) -> str:
        """The version, and the name where it is not the module's."""
        return self.version if _plain(self.name) == self.module else f"{self.version} ({self.name})"


def number(version: str) -> tuple[int, ...]:
    """(3, 4, 1) of "3.4.1", so that 3.10 comes after 3.9; other letters do not count."""
    return tuple(int(part) for part in re.findall(r"\d+", version)[:3])


def installed(module: str) -> Installed | None:
    """The distribution that provides a module; None if it is not installed."""
    return _installed(module, tuple(sys.path))


def whole(name: str) -> Distribution | None:
    """The installed distribution of this name, or None.

    A build of this package leaves a second one beside the source, of the version of that day and
    without METADATA.
    """
    found = sorted(distributions(name=name), key=lambda one: one.read_text("METADATA") is None)
    return found[0] if found else None


def the_extra(name: str) -> str:
    """The extra of this package that installs something, and the command."""
    here = extra_here(name)
    small = f", or 'bentoml-ext[{name}-cpu]' without libraries for GPUs"
    text = f"the '{here}' extra: pip install 'bentoml-ext[{here}]'"
    return text + small if name in WITHOUT_GPU and here == name else text


def extra_here(name: str) -> str:
    """The name of an extra, or of its variant without GPU libraries where xgboost-cpu is here.

    xgboost would write its files over those of xgboost-cpu.
    """
    found = installed("xgboost")
    is_small = found is not None and _plain(found.name) == "xgboost_cpu"
    return f"{name}-cpu" if name in WITHOUT_GPU and is_small else name


@cache
def _installed(module: str, _: tuple[str, ...]) -> Installed | None:
    if (folder := _folder(module)) is None:
        return None
    found = whole(module)
    if found is None or _share(found, folder) < 1:
        # Asked second: it reads what every distribution has installed.
        names = dict.fromkeys(packages_distributions().get(module, ()))
        # Of two that have written into one folder, the last one's files are there.
        candidates = [distribution(name) for name in names]
        found = max(candidates, key=lambda one: _share(one, folder), default=found)
    return None if found is None else Installed(module, found.name, found.version)


def _folder(module: str) -> Path | None:
    """The place where an import finds a module."""
    spec = importlib.util.find_spec(module)
    if spec is None:
        return None
    return Path([*(spec.submodule_search_locations or ()), spec.origin or ""][0])


def _share(found: Distribution, folder: Path) -> float:
    """How many of the files that a distribution notes of a module are in its folder, unchanged."""
    noted = [
        (Path(str(file.locate())), file.size)
        for file in found.files or ()
        if file.parts[0] == folder.name and file.size is not None and file.suffix != ".pyc"
    ]
    same = [path for path, size in noted if path.is_relative_to(folder) and _size(path) == size]
    # Of an editable installation no file is noted.
    return len(same) / len(noted) if noted else 1.0


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except OSError:
        return None


def _plain(name: str) -> str:
    return name.lower().replace("-", "_").replace(".", "_")
