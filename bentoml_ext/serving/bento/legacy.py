"""Legacy: what a bento of a Runner's service installs; BentoML gives it no image.

Its model is BentoML's own business: it is exported with the bento, and imported into the store.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final

from attrs import evolve

from bentoml_ext.backends.registry import libraries, packages
from bentoml_ext.internals import entries
from bentoml_ext.serving.bento.requirements import requirements
from bentoml_ext.settings import DEFAULT_BACKEND, Settings

__all__ = ["follow_builds"]

NESTED: Final = re.compile(r"^(-r|--requirement)\b.*$", re.MULTILINE)


def follow_builds() -> None:
    """Let a legacy bento that this process builds install what it serves with."""
    entries.follow_legacy_builds(_with_ours)


def _with_ours(options: Any, bento: Path, folder: Path) -> Any:
    """The user's options of Python, with this package, and the libraries of its backend.

    Args:
        options: BentoML's `PythonOptions`.
        bento: folder of the bento.
        folder: that the user builds from.
    """
    # Such a bento remembers no BACKEND: without one it serves with the default.
    names = dict.fromkeys((*Settings.read().needed, DEFAULT_BACKEND))
    needed = [library for name in names for library in libraries(name)]
    own = "\n".join(options.packages or ())
    if options.requirements_txt is not None:
        from pip_requirements_parser import RequirementsFile

        # With the files that it names, because it leaves their folder.
        own = RequirementsFile.from_file(
            str(folder / options.requirements_txt), include_nested=True
        ).dumps()
        own = NESTED.sub("", own)
    others = [package for name in names for package in packages(name)]
    lines = requirements(own, needed, bento / "env" / "python", others)
    return evolve(options, packages=[*lines, own], requirements_txt=None)
