"""Packages: what pip leaves of a package of another hand, with its entry points."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

__all__ = ["install"]


def install(site: Path, name: str, module: str, points: str) -> None:
    """A package of one module.

    Args:
        site: folder on the path.
        name: of the module.
        module: its source.
        points: the text of entry_points.txt.
    """
    (site / f"{name}.py").write_text(module)
    sys.modules.pop(name, None)
    info = site / f"{name}-1.0.dist-info"
    info.mkdir()
    distribution = name.replace("_", "-")
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(points)
    importlib.invalidate_caches()
