"""Compare: `bentoml ext compare`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from bentoml_ext.cli.options import CHOICE_FORMAT, EXISTING_FILE, spelling_options

__all__ = ["compare_command"]


@click.command("compare")
@click.argument("tag")
@click.option("--data", type=EXISTING_FILE, help="Applications to compare on: Parquet, CSV, ...")
@click.option(
    "--backends",
    metavar="NAME,NAME",
    help="Backends to compare.  [default: all that are installed]",
)
@click.option(
    "--json",
    "output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File for all figures as JSON; docs/compare.schema.json says what they mean.",
)
@click.option(
    "--from",
    "source_form",
    type=CHOICE_FORMAT,
    help="Format of --data.  [default: by its suffix]",
)
@spelling_options
@click.pass_context
def compare_command(
    context: click.Context,
    /,
    *,
    tag: str,
    data: Path | None,
    backends: str | None,
    output: Path | None,
    **spelling: Any,
) -> None:
    """Compare the backends of the model TAG: answers, speed and size.

    Answers are compared on every split of the trees, on applications that are made up, and on those
    of --data. Times are taken in turns on this machine; memory is that of a process of its own.

    Exit code: 0, or 1 where a bit or a decision differs.
    """
    from bentoml_ext import files
    from bentoml_ext.cli import comparison, render
    from bentoml_ext.compare.applications import Applications
    from bentoml_ext.compare.backends import compare_backends
    from bentoml_ext.compare.document import to_json
    from bentoml_ext.compare.subject import Subject
    from bentoml_ext.formats.spelling import Spelling

    subject = Subject.of(tag)
    form = spelling.pop("source_form")
    names = [name.strip() for name in backends.split(",")] if backends else []
    given = None
    if data is not None:
        given = Applications(data, subject.bundle.encoder, (), form, Spelling(**spelling))
    with comparison.steps() as steps:
        report = compare_backends(subject, names, given, steps)
    if output is not None:
        files.write(output, to_json(report))
    render.show(comparison.of_backends(report))
    context.exit(0 if report.equal else 1)
