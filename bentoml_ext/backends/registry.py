"""Registry: the name of each backend, its class, and the extra that installs its library."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoints, entry_points
from pathlib import Path

from bentoml_ext.backends.base import Backend
from bentoml_ext.distributions import the_extra
from bentoml_ext.errors import BackendMissing, ConfigError, UnknownBackend

__all__ = [
    "AUTO",
    "BACKENDS",
    "GROUP",
    "Backend",
    "BackendSpec",
    "backend_names",
    "form_names",
    "get_backend",
    "libraries",
    "opened_in",
    "packages",
    "require",
]

GROUP = "bentoml_ext.backends"
"""Entry-point group in which other packages register theirs: `name = "package.module:Class"`."""

AUTO = "auto"
"""Name of the composite of the backends; `bentoml_ext.scoring.opening` makes one for a bundle."""


@dataclass(frozen=True)
class BackendSpec:
    """The place of a backend's class.

    Args:
        target: "module:Class".
        library: what it imports and may not find.
        extra: the extra of this package that installs the library.
        package: the distribution that registered it; empty for ours.
    """

    target: str
    library: str = ""
    extra: str = ""
    package: str = ""


BACKENDS = {
    "onnx": BackendSpec(
        "bentoml_ext.backends.onnx_runtime:OnnxRuntimeBackend", "onnxruntime", "onnx"
    ),
    "xgboost": BackendSpec(
        "bentoml_ext.backends.xgboost_native:XGBoostBackend", "xgboost", "xgboost"
    ),
}


def _table() -> dict[str, BackendSpec]:
    """Ours and those that other packages registered.

    Raises:
        ConfigError: another package registered a taken name.
    """
    table = dict(BACKENDS)
    for point in _registered(tuple(sys.path)):
        if point.name in table or point.name == AUTO:
            raise ConfigError(
                f"Expected a free backend name, got '{point.name}' again - at entry point "
                f"'{point.value}'. Uninstall one of the two."
            )
        package = point.dist.name if point.dist is not None else ""
        table[point.name] = BackendSpec(point.value, package=package)
    return table


@cache
def _registered(_: tuple[str, ...]) -> EntryPoints:
    """Entry points of the packages on a path; cached, because the search reads a file of each."""
    return entry_points(group=GROUP)


def backend_names() -> list[str]:
    """Every name that BACKEND takes, sorted; its library may still be missing."""
    return sorted([*_table(), AUTO])


def form_names() -> list[str]:
    """The names of the backends that read a form of the model: all but `auto`."""
    return sorted(_table())


def libraries(name: str) -> list[str]:
    """The libraries that a backend imports; `auto` imports those that are installed.

    Raises:
        UnknownBackend: as `get_backend`.
    """
    return [entry.library for entry in _entries(name) if entry.library]


def packages(name: str) -> list[str]:
    """The distributions of other hands that registered a backend; of `auto`, any of its members.

    Raises:
        UnknownBackend: as `get_backend`.
    """
    return list(dict.fromkeys(entry.package for entry in _entries(name) if entry.package))


def require(*names: str) -> None:
    """Look for the libraries of backends without importing them, which takes a second for some.

    Raises:
        UnknownBackend, BackendMissing: as `get_backend`.
    """
    for name in names:
        if not any(_is_there(entry) for entry in _entries(name)):
            raise _missing(name, AUTO if name == AUTO else _entry(name).extra)


def get_backend(name: str) -> type[Backend]:
    """The class of a backend, imported on first use.

    Raises:
        UnknownBackend: no such name; the message lists the known ones.
        BackendMissing: its library is not installed; the message names the extra.
        ConfigError: another package registered something that is not a backend.
    """
    entry = _entry(name)
    module, _, attribute = entry.target.partition(":")
    try:
        found = getattr(importlib.import_module(module), attribute, None)
    except ImportError as error:
        # Some other missing module is a fault of the backend, not of the installation.
        if not entry.library or (error.name or "").partition(".")[0] != entry.library:
            raise
        raise _missing(name, entry.extra) from error
    if not (isinstance(found, type) and issubclass(found, Backend)):
        raise ConfigError(
            f"Expected a Backend, got {found!r} - at backend '{name}', {entry.target}."
        )
    return found


def opened_in(folder: Path) -> Iterator[tuple[str, Backend]]:
    """Every backend whose library is installed and whose file lies in a folder, with its name.

    Args:
        folder: with the files of a bundle.

    Raises:
        BackendError: a backend's library refuses its file.
    """
    for name in form_names():
        try:
            backend = get_backend(name)
        except BackendMissing:
            continue
        if (path := folder / backend.filename).is_file():
            yield name, backend(path)


def _entry(name: str) -> BackendSpec:
    table = _table()
    if name not in table:
        raise UnknownBackend(
            f"Expected one of {', '.join(backend_names())}, got '{name}' - at BACKEND. "
            "Set BACKEND, or --arg backend=NAME, to one of them."
        )
    return table[name]


def _entries(name: str) -> list[BackendSpec]:
    return [_entry(form) for form in form_names()] if name == AUTO else [_entry(name)]


def _is_there(entry: BackendSpec) -> bool:
    return not entry.library or importlib.util.find_spec(entry.library) is not None


def _missing(name: str, extra: str) -> BackendMissing:
    needed = " or ".join(libraries(name))
    return BackendMissing(f"Backend '{name}' needs {needed}. Install it with {the_extra(extra)}.")
