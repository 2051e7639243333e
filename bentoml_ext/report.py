"""What the commands print."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import bentoml
from rich.console import Console, Group, RenderableType
from rich.table import Table

from bentoml_ext.bundle import GRAPH, Bundle

if TYPE_CHECKING:
    from bentoml_ext.encoder import Field

__all__ = ["exported", "imported", "inspected", "show"]


def exported(stored: bentoml.Model, bundle: Bundle, output: Path) -> str:
    """After `export`: what was written, and what was checked."""
    entry = bundle.manifest.files[GRAPH]
    return (
        f"Wrote {output}: {entry.size_bytes:,} bytes, sha256 {entry.sha256}.\n"
        f"Checked: every file of {stored.tag} has the checksum of its manifest; "
        f"{bundle.manifest.n_trees} trees, {bundle.manifest.n_features} features, "
        f"{bundle.manifest.objective}."
    )


def imported(stored: bentoml.Model, bundle: Bundle, source: str) -> str:
    """After `import`: the new tag, and what to do with it."""
    manifest = bundle.manifest
    return (
        f"Imported {source} as {stored.tag}: {manifest.n_trees} trees, "
        f"{manifest.n_features} features, {len(bundle.encoder.fields)} fields, "
        f"{manifest.objective}.\nServe it with `bentoml serve`, or `BACKEND=xgboost bentoml serve`."
    )


def inspected(stored: bentoml.Model, bundle: Bundle) -> RenderableType:
    """For `inspect`: the bundle as tables."""
    manifest = bundle.manifest
    facts = _table("Bundle", "", str(stored.tag))
    facts.add_row("path", stored.path)
    facts.add_row("created", stored.info.creation_time.isoformat(timespec="seconds"))
    facts.add_row("objective", manifest.objective)
    facts.add_row("trees", str(manifest.n_trees))
    facts.add_row("features", str(manifest.n_features))
    bands = [f"{band.answer} above {band.above:g}" for band in bundle.policy.bands]
    facts.add_row(bundle.policy.key, ", ".join([*bands, f"else {bundle.policy.otherwise}"]))
    facts.add_row("versions", ", ".join(f"{k} {v}" for k, v in manifest.versions.items()))
    for kind, values in (("labels", stored.info.labels), ("metadata", stored.info.metadata)):
        if values:
            facts.add_row(kind, ", ".join(f"{name}={value!s}" for name, value in values.items()))

    files = _table("File", "Bytes", "sha256")
    files.columns[1].justify = "right"
    for name, entry in manifest.files.items():
        files.add_row(name, f"{entry.size_bytes:,}", entry.sha256)

    fields = _table("Field", "Columns", "Takes")
    for field in bundle.encoder.fields:
        fields.add_row(field.name, str(_columns(field)), field.expected)
    return Group(facts, files, fields)


def show(what: RenderableType) -> None:
    """Print to stdout; whole lines where nobody watches, so that they can be searched."""
    # Names and labels are the user's: nothing in them is a style or an emoji.
    console = Console(markup=False, emoji=False)
    if not console.is_terminal:
        console.width = 10_000
    console.print(what, highlight=False)


def _columns(field: Field) -> int:
    return len(field.categories) or 1


def _table(*names: str) -> Table:
    table = Table(box=None, pad_edge=False)
    for name in names:
        table.add_column(name, overflow="fold")
    return table
