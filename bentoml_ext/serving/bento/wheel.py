"""Wheel: this package as a wheel in a bento, because no index has it.

The wheel is made of what is installed, from a checkout as from a wheel. The local part of its
version is the checksum of its files. No index may publish such a version, so that no other package
of that name can take its place.
"""

from __future__ import annotations

import base64
import hashlib
import re
import zipfile
from collections.abc import Iterator, Mapping
from importlib.metadata import Distribution
from importlib.resources import files as resources
from pathlib import Path
from typing import Final

from bentoml_ext.backends.registry import BACKENDS
from bentoml_ext.distributions import whole
from bentoml_ext.errors import ConfigError

__all__ = ["NAME", "PACKAGE", "write", "write_wheel"]

NAME: Final = "bentoml-ext"

PACKAGE: Final = Path(str(resources("bentoml_ext")))
"""The folder of this package."""

WHEEL: Final = """\
Wheel-Version: 1.0
Generator: bentoml-ext
Root-Is-Purelib: true
Tag: py3-none-any
"""

MADE: Final = (1980, 1, 1, 0, 0, 0)
"""The time of every file, so that the same files are the same wheel."""


def write_wheel(folder: Path) -> str:
    """Write the wheel into a folder, and name the requirement that it meets.

    Raises:
        ConfigError: the package is imported from a folder and installed nowhere.
    """
    found = _own()
    files = {f"bentoml_ext/{name}": data for name, data in _package()}
    beside = {f"licenses/{name}": data for name, data in _licences(found)}
    return write(found, files, beside, WHEEL, folder)


def write(
    found: Distribution,
    files: Mapping[str, bytes],
    beside: Mapping[str, bytes],
    wheel: str,
    folder: Path,
) -> str:
    """Write a wheel of an installed distribution, and name the requirement that it meets.

    Args:
        found: whose metadata and entry points it has.
        files: of its packages.
        beside: further files of its metadata.
        wheel: its file WHEEL.
        folder: for the wheel.
    """
    metadata = found.read_text("METADATA") or found.read_text("PKG-INFO") or ""
    digest = hashlib.sha256(metadata.encode())
    for name, data in files.items():
        digest.update(name.encode() + b"\0" + hashlib.sha256(data).digest())
    version = f"{found.version.partition('+')[0]}+sha{digest.hexdigest()[:12]}"
    stem = f"{found.name.replace('-', '_')}-{version}"
    information = {
        "METADATA": _metadata(metadata, version).encode(),
        "WHEEL": wheel.encode(),
        "entry_points.txt": (found.read_text("entry_points.txt") or "").encode(),
        **beside,
    }
    whole = {**files, **{f"{stem}.dist-info/{name}": d for name, d in information.items()}}
    record = [f"{name},{_digest(data)},{len(data)}" for name, data in whole.items()]
    record += [f"{stem}.dist-info/RECORD,,", ""]
    whole[f"{stem}.dist-info/RECORD"] = "\n".join(record).encode()
    tag = wheel.rpartition("Tag: ")[2].split()[0]
    _zip(whole, folder / f"{stem}-{tag}.whl")
    return f"{found.name}=={version}"


def _zip(files: Mapping[str, bytes], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as wheel:
        for name, data in files.items():
            entry = zipfile.ZipInfo(name, MADE)
            entry.external_attr = 0o644 << 16
            wheel.writestr(entry, data, zipfile.ZIP_DEFLATED)


def _own() -> Distribution:
    if (found := whole(NAME)) is None:
        raise ConfigError(
            f"Expected {NAME} to be installed, got its source alone - at "
            f"{PACKAGE}. A bento carries what is installed: pip install "
            f"{PACKAGE.parent}."
        )
    return found


def _package() -> Iterator[tuple[str, bytes]]:
    """The files of the package by their names in it, sorted."""
    for path in sorted(PACKAGE.rglob("*")):
        if path.suffix != ".pyc" and path.is_file():
            yield path.relative_to(PACKAGE).as_posix(), path.read_bytes()


def _metadata(text: str, version: str) -> str:
    """The metadata under this version, without libraries that one backend alone needs.

    Which backends a bento serves with, its own requirements say, and by which distribution.
    """
    head, blank, rest = text.partition("\n\n")
    libraries = {entry.library for entry in BACKENDS.values()}
    lines = []
    for line in head.splitlines():
        name, _, value = line.partition(": ")
        if name == "Version":
            lines.append(f"Version: {version}")
        elif name != "Requires-Dist" or "extra ==" in value or _name(value) not in libraries:
            lines.append(line)
    return "\n".join(lines) + (blank + rest or "\n")


def _licences(found: Distribution) -> Iterator[tuple[str, bytes]]:
    """The licence, from beside the metadata or beside the package's source."""
    noted = [Path(str(file.locate())) for file in found.files or () if file.name == "LICENSE"]
    for path in [*noted, PACKAGE.parent / "LICENSE"]:
        if path.is_file() and (path.parent.name == "licenses" or path not in noted):
            yield path.name, path.read_bytes()
            return


def _name(requirement: str) -> str:
    return re.split(r"[^\w.-]", requirement, maxsplit=1)[0].lower()


def _digest(data: bytes) -> str:
    digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest())
    return f"sha256={digest.rstrip(b'=').decode()}"
