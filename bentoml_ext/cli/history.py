"""History: `bentoml ext history`."""

from __future__ import annotations

import click

__all__ = ["history_command"]


@click.command("history")
@click.argument("name")
@click.option(
    "--seal",
    metavar="HEX",
    help="A seal that was noted elsewhere; exit 1 unless the history has it.",
)
@click.pass_context
def history_command(context: click.Context, /, *, name: str, seal: str | None) -> None:
    """Show every move of a model's names, and check that none was changed since.

    NAME is a model, MODEL@NAME, or a name such as champion where only one model was promoted.

    Each entry carries the seal of the one before, so a changed, removed or added entry is found.
    Who may write the file may seal all of it anew: note the last seal elsewhere, and ask by --seal.

    Exit code: 0, or 1 where an entry is broken, which is named, or the seal is missing.
    """
    from bentoml_ext.cli import released, render
    from bentoml_ext.releases.words import model_meant
    from bentoml_ext.store.history import History

    model, alias = model_meant(name)
    history = History.load(model)
    render.show(released.listed(history, alias))
    if history.broken:
        raise click.ClickException(history.broken)
    if seal is not None and seal.lower() not in history.seals:
        raise click.ClickException(
            f"Expected an entry of seal {seal}, got none - at {history.path}. The history was "
            "sealed anew since, or the seal is of another model."
        )
    if not history.entries:
        context.exit(1)
