"""Releases: `bentoml ext releases`."""

from __future__ import annotations

import click

__all__ = ["releases_command"]


@click.command("releases")
@click.pass_context
def releases_command(context: click.Context, /) -> None:
    """Show which version each name means, since when, and by whom.

    Exit code: 0, or 1 where a name leads to no version: it was deleted, has other files than were
    promoted, or its history is broken.
    """
    from bentoml_ext.cli import released, render
    from bentoml_ext.releases.standing import standings

    found = standings()
    render.show(released.all_names(found))
    context.exit(1 if any(one.wrong for one in found) else 0)
