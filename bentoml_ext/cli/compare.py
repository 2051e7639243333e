"""Compare: `bentoml ext compare`."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import click

from bentoml_ext.cli.options import EXISTING_FILE, format_option, spelling_options

__all__ = ["LIBRARIES", "compare_command", "need"]

OUTPUT: Final[Any] = click.Path(dir_okay=False, path_type=Path)

LIBRARIES: Final = ("sklearn", "scipy", "pyarrow")
"""Of extra `report`; two versions are not compared without them."""


@click.command("compare")
@click.argument("tag")
@click.option("--data", type=EXISTING_FILE, help="Applications to compare on: Parquet, CSV, ...")
@click.option(
    "--with", "other", metavar="TAG2", help="Another version, the challenger; needs --data."
)
@click.option(
    "--with-data",
    "other_data",
    type=EXISTING_FILE,
    help="Another file, to compare with --data under the one version.",
)
@click.option(
    "--outcome",
    default="",
    metavar="COLUMN",
    help="Column of the data with what became of them: 1 is the event that the model predicts. Of "
    "a model without bands it is a number or a label.",
)
@click.option(
    "--amount",
    default="",
    metavar="COLUMN",
    help="Column to add up in the swap set.  [default: the field amount, where there is one]",
)
@click.option(
    "--impact",
    default="",
    metavar="COLUMN",
    help="Column of groups: approval rates and adverse-impact ratios, as figures.",
)
@click.option(
    "--reference",
    default="",
    metavar="GROUP",
    help="The group of --impact to compare with.  [default: the largest]",
)
@click.option(
    "--group",
    default="",
    metavar="COLUMN",
    help="Column that says which applications compete, for a model that answers an order.",
)
@click.option(
    "--backends",
    metavar="NAME,NAME",
    help="Backends to compare.  [default: all that are installed]",
)
@click.option(
    "--json",
    "output",
    type=OUTPUT,
    help="File for all figures as JSON; docs/compare.schema.json says what they mean.",
)
@click.option("--html", "page", type=OUTPUT, help="File for a page with charts.")
@click.option("--gates", type=EXISTING_FILE, help="TOML file of limits; one that fails exits 1.")
@click.option("--scores", type=OUTPUT, help="File for the paired scores of --with, Parquet.")
@format_option
@spelling_options
@click.pass_context
def compare_command(
    context: click.Context,
    /,
    *,
    tag: str,
    output: Path | None,
    page: Path | None,
    gates: Path | None,
    **options: Any,
) -> None:
    """Compare backends of the model TAG, TAG with another version, or two files under TAG.

    Backends: answers are compared on every split of the trees, on made-up applications and on those
    of --data. Times are taken in turns on this machine; memory is that of a process of its own.

    Versions: --with TAG2 --data FILE shows who gets another answer. With --outcome it shows which
    version ranks better, by how much, and whether chance explains it.

    Files: --data A --with-data B shows how far score, fields and outcomes have moved.

    Exit code: 0, or 1 where backends differ in a bit or a decision, or a gate fails.
    """
    import msgspec

    from bentoml_ext import files
    from bentoml_ext.cli import comparison, render
    from bentoml_ext.compare.document import to_json
    from bentoml_ext.compare.gates import gates_of, judged
    from bentoml_ext.compare.parts import holds

    _check(options)
    _check_folders(output, page, options["scores"])
    if page is not None:
        need(*LIBRARIES, "jinja2")
    if options["other"] or options["other_data"]:
        need(*LIBRARIES)
    from bentoml_ext.cli.compared import compared

    limits = gates_of(gates) if gates is not None else {}
    report = compared(tag, options)
    report = msgspec.structs.replace(report, gates=judged(report, limits))
    if output is not None:
        files.write(output, to_json(report))
    if page is not None:
        from bentoml_ext.compare.page import to_html

        files.write(page, to_html(report))
    render.show(comparison.of(report))
    context.exit(0 if holds(report) else 1)


def _check(options: dict[str, Any]) -> None:
    """Refuse an option that has nothing to do: none is ignored."""
    if options["other"] and not options["data"]:
        raise click.UsageError("--with needs --data: the applications to compare the versions on.")
    if options["other_data"] and not options["data"]:
        raise click.UsageError("--with-data needs --data: the file that came first.")
    if options["other"] and options["other_data"]:
        raise click.UsageError("--with and --with-data are two comparisons: name one of them.")
    is_two = options["other"] or options["other_data"]
    if options["backends"] and is_two:
        raise click.UsageError("--backends is for one version on one file.")
    for name in ("outcome", "impact", "group"):
        if options[name] and not is_two:
            raise click.UsageError(f"--{name} is for --with and --with-data.")
    if options["amount"] and not options["other"]:
        raise click.UsageError("--amount is for --with.")
    if options["reference"] and not options["impact"]:
        raise click.UsageError("--reference is for --impact.")
    if options["scores"] and not options["other"]:
        raise click.UsageError("--scores is for --with.")
    if options["source_form"] and not options["data"]:
        raise click.UsageError("--from is for --data.")


def _check_folders(*paths: Path | None) -> None:
    """Refuse a file whose folder is missing before a row is scored, not after all of them."""
    for path in filter(None, paths):
        if not path.absolute().parent.is_dir():
            raise click.UsageError(f"Expected a folder for {path}, got a path without one.")


def need(*libraries: str) -> None:
    from importlib.util import find_spec

    from bentoml_ext.distributions import the_extra

    for library in libraries:
        if find_spec(library) is None:
            raise click.ClickException(
                f"This needs {library}. Install it with {the_extra('report')}."
            )
