"""Migrate: `bentoml ext migrate`."""

from __future__ import annotations

import click

__all__ = ["migrate_command"]


@click.command("migrate")
@click.argument("tag")
def migrate_command(tag: str) -> None:
    """Write the model TAG as a new version in the present format, proven again.

    Models of an earlier format serve as they are: migrate one to have the files and the proof that
    this release writes. The booster, the encoder and the policy stay, and so does the old version.
    """
    from bentoml_ext.cli import progress, render
    from bentoml_ext.importers.migrating import migrate
    from bentoml_ext.store.models import get, load_bundle

    stored = get(tag)
    with progress.proving() as on_progress:
        new = migrate(stored, on_progress)
    render.show(render.migrated(stored, new, load_bundle(new)))
