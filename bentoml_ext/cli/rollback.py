"""Rollback: `bentoml ext rollback`."""

from __future__ import annotations

import click

__all__ = ["rollback_command"]


@click.command("rollback")
@click.argument("name", required=False)
@click.option("--why", default="", metavar="TEXT", help="Reason, for the history.")
@click.option("--dry-run", is_flag=True, help="Test the version, and move nothing.")
def rollback_command(*, name: str | None, why: str, dry_run: bool) -> None:
    """Let NAME mean the version that it meant before its last promotion.

    NAME is MODEL@NAME, a model for its champion, or a name such as challenger where only one model
    was promoted.  [default: champion]

    The version's stored rows are scored again on every installed backend: a second, not a proof.
    Another rollback goes back one promotion more.
    """
    from bentoml_ext.cli import released
    from bentoml_ext.releases.rollback import rollback
    from bentoml_ext.releases.words import name_meant

    named = name_meant(name)
    entry = rollback(named, why, dry_run=dry_run)
    click.echo(released.moved(named, entry, is_new=True, dry_run=dry_run))
