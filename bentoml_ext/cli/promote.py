"""Promote: `bentoml ext promote`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from bentoml_ext.cli.options import EXISTING_FILE, format_option, spelling_options

if TYPE_CHECKING:
    from bentoml_ext.releases.evidence import Trial

__all__ = ["promote_command"]


@click.command("promote")
@click.argument("tag")
@click.option(
    "--as",
    "alias",
    default="champion",
    show_default=True,
    metavar="NAME",
    help="Name that the version gets.",
)
@click.option("--why", default="", metavar="TEXT", help="Reason, for the history.")
@click.option(
    "--gates",
    type=EXISTING_FILE,
    help="TOML file of limits, as of compare; one that fails refuses the version.  Needs --data.",
)
@click.option(
    "--data", type=EXISTING_FILE, help="Applications to judge the gates on, against NAME's version."
)
@click.option("--outcome", default="", metavar="COLUMN", help="Column of the data with outcomes.")
@format_option
@spelling_options
@click.option("--dry-run", is_flag=True, help="Prove and judge, and move nothing.")
def promote_command(*, tag: str, alias: str, why: str, dry_run: bool, **options: Any) -> None:
    """Let NAME of a model mean the version TAG, after TAG was proven again on this machine.

    MODEL@NAME then leads to that version: in `MODEL=credit_risk_model@champion bentoml serve`, and
    in every command that takes a tag. `history` shows who moved a name, when and why.

    Exit code: 0, or 1 where the proof or a gate fails. The name then means what it meant.
    """
    from bentoml_ext.cli import progress, released
    from bentoml_ext.releases.promote import Promotion, promote

    asked = Promotion(tag, alias, why, _trial(options), dry_run)
    with progress.progress("Proving") as on_proof:
        named, entry, is_new = promote(asked, on_proof)
    click.echo(released.moved(named, entry, is_new=is_new, dry_run=dry_run))


def _trial(options: dict[str, Any]) -> Trial | None:
    """Refuse an option that has nothing to do: none is ignored."""
    if options["gates"] is None:
        for name, option in (("data", "data"), ("outcome", "outcome"), ("source_form", "from")):
            if options[name]:
                raise click.UsageError(f"--{option} is for --gates.")
        return None
    if options["data"] is None:
        raise click.UsageError("--gates needs --data: the applications to judge them on.")
    from bentoml_ext.cli.compare import LIBRARIES, need
    from bentoml_ext.formats.spelling import Spelling
    from bentoml_ext.releases.evidence import Trial

    need(*LIBRARIES)
    names = ("encoding", "decimal", "nulls", "quotes")
    spelling = Spelling(**{name: options[name] for name in names})
    return Trial(
        options["gates"], options["data"], options["outcome"], options["source_form"], spelling
    )
