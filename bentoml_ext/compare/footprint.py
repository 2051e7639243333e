"""Footprint: what a backend takes to load, in memory and on the disk."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import Distribution
from pathlib import Path
from statistics import median
from typing import Final

import msgspec
from packaging.requirements import Requirement

from bentoml_ext.backends.registry import get_backend, libraries
from bentoml_ext.compare.probe import Probed
from bentoml_ext.distributions import installed, whole
from bentoml_ext.errors import BackendError
from bentoml_ext.store.bundle import Bundle

__all__ = ["Footprint", "footprints", "library_bytes"]

PROBES: Final = 3
LIMIT_S: Final = 120


class Footprint(msgspec.Struct, frozen=True, kw_only=True):
    """What a backend takes.

    Args:
        backend: that was loaded, each time in a fresh process.
        load_s: median seconds from the import of its library to the first margin.
        load_low_s, load_high_s: the least and the greatest.
        memory_bytes: median of the most that the process held, Python and BentoML's part included.
        form_bytes: of its file in the bundle.
        library_bytes: installed files of its library and of all that this requires; None of a
            backend that names no library.
    """

    backend: str
    load_s: float
    load_low_s: float
    load_high_s: float
    memory_bytes: int
    form_bytes: int
    library_bytes: int | None


def footprints(
    bundle: Bundle, names: list[str], on_step: Callable[[int, int], None] | None = None
) -> list[Footprint]:
    """The footprints of backends, loaded in turns.

    Raises:
        BackendError: a backend could not be loaded in a fresh process.
    """
    probed: dict[str, list[Probed]] = {name: [] for name in names}
    for round_ in range(PROBES):
        for done, name in enumerate(names, 1):
            probed[name].append(_probed(bundle.path, name))
            if on_step is not None:
                on_step(round_ * len(names) + done, PROBES * len(names))
    return [_footprint(bundle, name, found) for name, found in probed.items()]


def library_bytes(names: list[str]) -> int | None:
    """Bytes of the installed files of modules and of all distributions that they require."""
    found = [one for one in map(installed, names) if one is not None]
    if not found:
        return None
    seen: dict[str, Distribution] = {}
    for one in found:
        _collect(one.name, seen)
    return sum(file.size or 0 for one in seen.values() for file in one.files or ())


def _collect(name: str, seen: dict[str, Distribution]) -> None:
    key = name.lower().replace("_", "-")
    if key in seen or (found := whole(name)) is None:
        return
    seen[key] = found
    for requirement in map(Requirement, found.requires or ()):
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            _collect(requirement.name, seen)


def _footprint(bundle: Bundle, name: str, probed: list[Probed]) -> Footprint:
    loads = [one.load_s for one in probed]
    return Footprint(
        backend=name,
        load_s=median(loads),
        load_low_s=min(loads),
        load_high_s=max(loads),
        memory_bytes=int(median(one.memory_bytes for one in probed)),
        form_bytes=bundle.manifest.files[get_backend(name).filename].size_bytes,
        library_bytes=library_bytes(libraries(name)),
    )


def _probed(folder: Path, name: str) -> Probed:
    ended = subprocess.run(  # noqa: S603 (this interpreter, without a shell)
        [sys.executable, "-m", "bentoml_ext.compare.probe", str(folder), name],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True,
        timeout=LIMIT_S,
        check=False,
    )
    if ended.returncode:
        last = (ended.stderr.decode(errors="replace").strip().splitlines() or ["nothing"])[-1]
        raise BackendError(
            f"Expected backend '{name}' to load in a fresh process, got: {last} - at {folder}."
        )
    return msgspec.json.decode(ended.stdout, type=Probed)
