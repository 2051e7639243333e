"""Score: `bentoml ext score`."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bentoml_ext.cli.options import CHOICE_FORMAT, spelling_options

if TYPE_CHECKING:
    from bentoml_ext.offline.summary import Summary

__all__ = ["score_command"]


@click.command("score")
@click.argument("tag")
@click.argument("source", metavar="INPUT")
@click.option(
    "-o",
    "--output",
    metavar="FILE|FOLDER|-",
    help="Where the answers go.  [default: INPUT.scored beside INPUT; - for -]",
)
@click.option(
    "--from",
    "source_form",
    type=CHOICE_FORMAT,
    help="Format of INPUT.  [default: by its suffix; needed for -]",
)
@click.option(
    "--to",
    "output_form",
    type=CHOICE_FORMAT,
    help="Format of the answers.  [default: by the suffix of the output, otherwise INPUT's]",
)
@click.option(
    "--backend", default="auto", show_default=True, help="Backend that scores; all say the same."
)
@click.option(
    "--workers",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Threads, or for ray processes, that score at a time.",
)
@click.option(
    "--engine",
    type=click.Choice(["local", "ray"]),
    default="local",
    show_default=True,
    help="This process, or the workers of a Ray cluster, to which the model is sent.",
)
@click.option(
    "--address",
    metavar="auto|HOST:PORT|local",
    help="For ray: the cluster; local is one of its own on this machine.  [default: local]",
)
@click.option(
    "--on-error",
    type=click.Choice(["fail", "reject"]),
    default="fail",
    show_default=True,
    help="End at the first bad application, or send all of them to a file of their own.",
)
@click.option(
    "--rejected",
    metavar="FILE|FOLDER",
    help="Where bad applications go with their reasons.  [default: OUTPUT.rejected]",
)
@click.option("--keep", multiple=True, metavar="COLUMN", help="Column to keep; repeatable.")
@spelling_options
@click.option("--resume", is_flag=True, help="For a folder: score only the parts that are missing.")
@click.option(
    "--json",
    "summary_path",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File for counts and times as JSON.",
)
@click.pass_context
def score_command(
    context: click.Context,
    /,
    tag: str,
    *,
    backend: str,
    workers: int,
    engine: str,
    address: str | None,
    on_error: str,
    **options: Any,
) -> None:
    """Score the applications of INPUT with the model TAG.

    INPUT is a Parquet, CSV, NDJSON or Arrow file, a folder of such parts, or - for standard input.
    The answers have the columns to keep, Status, probability, margin and model. A file is written
    under a temporary name and renamed when it is whole. With --engine ray the output is a folder of
    parts in any case, and INPUT and OUTPUT are where every worker finds them.

    Exit code: 0 all were scored; 3 some were rejected, the others are scored. It is 1 after an
    error, where the file at hand was not written, and 2 after wrong usage.
    """
    from bentoml_ext import files
    from bentoml_ext.backends.registry import backend_names
    from bentoml_ext.cli import progress, render
    from bentoml_ext.formats.spelling import Spelling
    from bentoml_ext.offline.plan import ScoreRequest
    from bentoml_ext.store.targets import stored_model

    if backend not in (known := backend_names()):
        raise click.BadParameter(
            f"Expected one of {', '.join(known)}, got '{backend}'.", param_hint="'--backend'"
        )
    run = _engine(engine, address)
    summary_path = options.pop("summary_path")
    own = {name: options.pop(name) for name in ("encoding", "decimal", "nulls", "quotes")}
    spelling = Spelling(**own)
    request = ScoreRequest(reject=on_error == "reject", spelling=spelling, **options)
    with progress.scoring() as on_progress:
        summary = run(request, stored_model(tag), backend, workers, on_progress)
    if summary_path is not None:
        files.write(summary_path, summary.to_json())
    # If the answers may go to stdout, the summary goes to stderr.
    is_file = Path(summary.output).is_file() or Path(summary.output).is_dir()
    click.echo(render.scored(summary), err=not is_file)
    context.exit(3 if summary.rejected else 0)


def _engine(name: str, address: str | None) -> Callable[..., Summary]:
    """The function that scores a request."""
    if name == "ray":
        from bentoml_ext.offline import ray_engine

        return partial(ray_engine.run, address=address)
    if address is not None:
        raise click.UsageError("--address is for --engine ray.")
    from bentoml_ext.offline import local_engine

    return local_engine.run
