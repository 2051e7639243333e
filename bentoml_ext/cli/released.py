"""Released: what the commands about names print."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.table import Table

if TYPE_CHECKING:
    from bentoml_ext.releases.standing import Standing
    from bentoml_ext.store.history import Entry, History
    from bentoml_ext.store.names import Named

__all__ = ["all_names", "listed", "moved"]


def moved(named: Named, entry: Entry, *, is_new: bool, dry_run: bool) -> str:
    """After `promote` and `rollback`: what the name means, and what was shown for it."""
    if not is_new:
        return f"{named} is {entry.version} already, since {entry.at}. Nothing was written."
    before = f", after {entry.was}" if entry.was else ""
    lines = [
        f"{named} {'would be' if dry_run else 'is'} {entry.version}{before}.",
        entry.proof,
        *(f"Gate {gate}" for gate in (entry.compared.gates if entry.compared else ())),
        "Nothing was written: --dry-run."
        if dry_run
        else f"Entry {entry.number} by {entry.who}. A running server goes on as it is: restart it.",
    ]
    return "\n".join(lines)


def listed(history: History, alias: str | None) -> RenderableType:
    """The entries of a history, all names or one, and what its seals say."""
    table = _table("Entry", "At", "Who", "What", "Name", "Version", "Why")
    shown = [one for one in history.entries if alias in (None, one.name)]
    for one in shown:
        table.add_row(
            str(one.number), one.at, one.who, one.verb, one.name, one.version, one.why or "-"
        )
    gates = [
        f"Entry {one.number}, gate {gate}"
        for one in shown
        for gate in (one.compared.gates if one.compared else ())
    ]
    if not history.entries:
        return f"No entry in {history.path}."
    said = (
        f"{len(history.entries)} entries as they were sealed in {history.path}."
        f" Seal of the last: {history.seals[-1]}"
    )
    return Group(table, *gates, said)


def all_names(found: Sequence[Standing]) -> RenderableType:
    """Every name, and what is wrong with it."""
    if not found:
        return "No name: `bentoml ext promote TAG` gives a version the name champion."
    table = _table("Name", "Version", "Since", "By", "State")
    for one in found:
        entry = one.entry
        cells = (entry.version, entry.at, entry.who) if entry else ("-", "-", "-")
        table.add_row(one.named, *cells, "wrong" if one.wrong else "as promoted")
    return Group(table, *(one.wrong for one in found if one.wrong))


def _table(*names: str) -> Table:
    table = Table(box=None, pad_edge=False)
    for name in names:
        table.add_column(name, overflow="fold")
    return table
