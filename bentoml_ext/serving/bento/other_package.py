"""Other package: the requirement, and if need be the wheel, of a package with a backend."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import Distribution
from pathlib import Path

from bentoml_ext.distributions import whole
from bentoml_ext.serving.bento.wheel import write

__all__ = ["requirement"]


def requirement(name: str, folder: Path) -> str:
    """The requirement that installs a package again, as it is here.

    No index has a package that pip installed from a folder or a file of this machine. Its wheel is
    made of the installed files.

    Args:
        name: of the distribution.
        folder: for a wheel.
    """
    found = whole(name)
    if found is None:
        return name
    files = _files(found)
    if '"url": "file:' not in (found.read_text("direct_url.json") or "") or not files:
        return f"{found.name}=={found.version}"
    return write(found, files, {}, found.read_text("WHEEL") or "", folder)


def _files(found: Distribution) -> Mapping[str, bytes]:
    """The files of its packages, sorted; of an editable installation, which notes none, nothing."""
    noted = sorted(found.files or (), key=str)
    return {
        str(file): Path(str(file.locate())).read_bytes()
        for file in noted
        if not file.parts[0].endswith(".dist-info")
        and file.suffix not in (".pyc", ".pth")
        and not file.name.startswith("__editable__")
    }
