"""Bundles that somebody has tampered with, checksums and all."""

from __future__ import annotations

from pathlib import Path

import msgspec

from bentoml_ext.bundle import MANIFEST, FileEntry, Manifest

__all__ = ["swapped"]


def swapped(folder: Path, name: str, data: bytes) -> None:
    """Put other bytes in place of a file of a bundle and make every checksum right again."""
    (folder / name).write_bytes(data)
    manifest = msgspec.json.decode((folder / MANIFEST).read_bytes(), type=Manifest)
    files = manifest.files | {name: FileEntry.of(data)}
    manifest = msgspec.structs.replace(manifest, files=files).sealed()
    (folder / MANIFEST).write_bytes(msgspec.json.encode(manifest))
