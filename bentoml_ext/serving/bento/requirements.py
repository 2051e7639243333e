"""Requirements: what the environment of a bento installs, at the versions that were proven here."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from importlib.metadata import requires
from pathlib import Path
from typing import Final

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from bentoml_ext.distributions import installed
from bentoml_ext.serving.bento.other_package import requirement
from bentoml_ext.serving.bento.wheel import NAME, write_wheel

__all__ = ["has_arrow", "requirements"]

ALWAYS: Final = ("numpy", "msgspec", "uvicorn", "uvloop", "httptools")
"""Libraries of every serving process; BentoML adds itself."""

WHEELS: Final = "wheels"
"""Folder beside a bento's requirements."""

WITH_ARROW: Final = {"bulk", "pipelines", "pipelines-cpu", "ray"}
"""Extras of ours with pyarrow in them."""

VARIANTS: Final = ("cpu", "directml", "gpu", "migraphx", "openvino", "qnn", "rocm", "silicon")
"""NAME-cpu and so on provide the module NAME, too."""


def requirements(
    given: str, needed: Sequence[str], folder: Path, packages: Sequence[str] = ()
) -> Iterator[str]:
    """The lines that we add, and the wheels that some of them name.

    Args:
        given: the user's own lines; what they name is left to them.
        needed: libraries of the backends.
        folder: where the file of requirements will be.
        packages: other distributions that register the backends.
    """
    named = _named(given)
    others = [name for name in packages if canonicalize_name(name) not in named]
    if others or not named.get(NAME):
        # Relative to the file of requirements, for pip and uv alike, from any folder.
        yield f"--find-links {WHEELS}"
    if not named.get(NAME):
        yield write_wheel(folder / WHEELS)
    for package in others:
        yield requirement(package, folder / WHEELS)
    for library in dict.fromkeys((*ALWAYS, *needed)):
        if not named.keys() & {library, *(f"{library}-{variant}" for variant in VARIANTS)}:
            yield _pinned(library)


def has_arrow(lines: str) -> bool:
    """Whether lines of requirements install pyarrow, themselves or by an extra of ours."""
    found = re.findall(rf"^{NAME}\[([^]]*)\]", lines.replace("_", "-"), re.MULTILINE)
    extras = {extra.strip() for text in found for extra in text.split(",")}
    return bool(WITH_ARROW & extras) or "pyarrow" in _named(lines)


def _pinned(library: str) -> str:
    """The installed distribution of a library, at its version; without one our own bounds."""
    if (found := installed(library)) is not None:
        return found.requirement
    known = (Requirement(text) for text in requires(NAME) or ())
    return next((f"{one.name}{one.specifier}" for one in known if one.name == library), library)


def _named(lines: str) -> dict[str, bool]:
    """The distributions that lines of requirements name, and whether by a path or an address."""
    named: dict[str, bool] = {}
    for line in lines.splitlines():
        text = line.partition(" #")[0].strip()
        try:
            one = Requirement(text)
            named[canonicalize_name(one.name)] = one.url is not None
        except InvalidRequirement:
            # An option, a comment or a path: only one that names this package matters.
            if NAME in canonicalize_name(text) and not text.startswith("#"):
                named[NAME] = True
    return named
