"""`bentoml ext`: convert, import and inspect models.

BentoML imports this module on every call of its command line, so nothing but click is imported
before a command runs.
"""

from __future__ import annotations

import os
import sys
from functools import partial
from pathlib import Path
from typing import Any

import click

from bentoml_ext.cli.files import EXISTING_FILE, export_command, verify_command

__all__ = ["ext"]

CHOICE_FILL = click.Choice(["zero", "missing"])


CHOICE_FORMAT = click.Choice(["parquet", "csv", "ndjson", "arrow"])

EXTRAS = dict.fromkeys(
    ("xgboost", "sklearn", "scipy", "onnx", "onnxmltools", "skl2onnx"), "convert"
) | {"pyarrow": "bulk", "rich": "bulk", "ray": "ray", "pandas": "pipelines", "skops": "pipelines"}
"""What installs a library that a command needs."""


class _Group(click.Group):
    """Turns what the caller can mend into one line and exit code 1."""

    def invoke(self, ctx: click.Context) -> Any:
        from bentoml.exceptions import BentoMLException

        try:
            return super().invoke(ctx)
        except BentoMLException as error:
            raise click.ClickException(" ".join(str(error).split())) from error
        except BrokenPipeError:
            # Whoever read has enough. Else Python would complain when it flushes.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            ctx.exit(1)
        except MemoryError as error:
            told = (
                "Expected more memory, got none - at this process. Free some, or raise its limit."
            )
            raise click.ClickException(told) from error
        except OSError as error:
            place = f": {error.filename}" if error.filename else ""
            raise click.ClickException(f"{error.strerror or error}{place}") from error
        except ImportError as error:
            if (library := str(error.name).partition(".")[0]) not in EXTRAS:
                raise
            from bentoml_ext.distributions import the_extra

            told = f"This needs {library}. Install it with {the_extra(EXTRAS[library])}."
            raise click.ClickException(told) from error


@click.group(cls=_Group)
def ext() -> None:
    """Convert XGBoost models to exact ONNX, import and inspect them, score portfolios."""


ext.add_command(export_command)
ext.add_command(verify_command)


@ext.command("import")
@click.argument("source")
@click.option("--name", required=True, help="Name of the new model; NAME:VERSION sets both.")
@click.option(
    "--features",
    type=EXISTING_FILE,
    help="For a booster's file: its feature names, a JSON list or a name a line.  "
    "[default: the booster's own]",
)
@click.option(
    "--check",
    type=EXISTING_FILE,
    help="Your applications with your own model's predictions (Parquet, CSV, NDJSON, Arrow): the "
    "import gives the same, or says which option cures it.",
)
@click.option("--prediction", metavar="COLUMN", help="For --check: the column of predictions.")
@click.option(
    "--absent",
    type=CHOICE_FILL,
    help="What a column of a category holds for another category: 0 in dense rows, missing in "
    "sparse ones.",
)
@click.option(
    "--null",
    type=CHOICE_FILL,
    help="What a number that is null becomes.  [default: null is refused]",
)
@click.option(
    "--unknown",
    type=click.Choice(["refuse", "zero"]),
    help="What becomes of a category that the model has no column for.  [default: refuse]",
)
@click.option(
    "--rounds",
    type=click.Choice(["best", "all"]),
    help="Of a Booster whose training stopped early: the rounds that count.",
)
@click.option(
    "--missing",
    type=float,
    help="A number that means missing, as an estimator's missing=.  [default: NaN alone]",
)
@click.option(
    "--separator",
    help="What stands between field and category in a feature name.  "
    "[default: the DictVectorizer's, or =]",
)
@click.option(
    "--fields",
    type=EXISTING_FILE,
    help="Rules of fields as JSON: unit, minimum, maximum, nullable, sentinels, ...",
)
@click.option(
    "--policy",
    type=EXISTING_FILE,
    help="Bands over the probability as JSON.  [default: DECLINED above 0.5, MAYBE above 0.3]",
)
def import_command(
    source: str,
    *,
    name: str,
    features: Path | None,
    check: Path | None,
    prediction: str | None,
    fields: Path | None,
    policy: Path | None,
    **reading: Any,
) -> None:
    """Make a bundle of SOURCE and store it.

    SOURCE is the tag of a model that bentoml.xgboost saved, with its DictVectorizer among the
    custom objects or with feature names of its own; or a booster's file, JSON or UBJSON, under
    whatever name. What SOURCE does not say, an option says, or --check finds out.
    """
    from bentoml_ext import framework
    from bentoml_ext.cli import progress, render
    from bentoml_ext.encoders.reading import Reading
    from bentoml_ext.importers import importing

    if prediction is not None and check is None:
        raise click.UsageError("--prediction is for --check.")
    request = importing.Request(
        source, features, Reading(**reading), fields, policy, check, prediction
    )
    with progress.progress("Proving") as on_progress:
        stored = importing.import_model(request, name, on_progress)
    render.show(render.imported(stored, framework.load_bundle(stored), source))


@ext.command("inspect")
@click.argument("tag")
def inspect_command(tag: str) -> None:
    """Show what is in the bundle TAG: files, checksums, versions, objective, trees, fields.

    TAG may also be a bento, by its tag or folder; in a bento's folder or container, its models come
    before those of the store.
    """
    from bentoml_ext import framework
    from bentoml_ext.cli import render
    from bentoml_ext.store.targets import stored_model

    stored = stored_model(tag)
    render.show(render.inspected(stored, framework.load_bundle(stored)))


@ext.command("score")
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
    help="Format of the answers.  [default: by the suffix of the output, else INPUT's]",
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
@click.option(
    "--encoding",
    metavar="NAME",
    help="Of CSV or NDJSON, such as windows-1252.  [default: UTF-8, or by its byte-order mark]",
)
@click.option(
    "--decimal",
    type=click.Choice([".", ","]),
    default=".",
    show_default=True,
    help="Decimal sign of the numbers in CSV.",
)
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
    The answers have the columns to keep, Status, probability, margin and model; a file is written
    under a temporary name and renamed when it is whole. With --engine ray the output is a folder of
    parts in any case, and INPUT and OUTPUT are where every worker finds them.

    Exit code: 0 all were scored; 3 some were rejected, the others are scored; 1 an error, and the
    file at hand was not written; 2 wrong usage.
    """
    from bentoml_ext import files
    from bentoml_ext.backends.registry import backend_names
    from bentoml_ext.cli import progress, render
    from bentoml_ext.formats.spelling import Spelling
    from bentoml_ext.offline.local_engine import run
    from bentoml_ext.offline.plan import Request
    from bentoml_ext.store.targets import stored_model

    if backend not in (known := backend_names()):
        raise click.BadParameter(
            f"Expected one of {', '.join(known)}, got '{backend}'.", param_hint="'--backend'"
        )
    if engine == "ray":
        from bentoml_ext.offline import ray_engine

        run = partial(ray_engine.run, address=address)
    elif address is not None:
        raise click.UsageError("--address is for --engine ray.")
    summary_path = options.pop("summary_path")
    spelling = Spelling(options.pop("encoding"), options.pop("decimal"))
    request = Request(reject=on_error == "reject", spelling=spelling, **options)
    with progress.scoring() as on_progress:
        summary = run(request, stored_model(tag), backend, workers, on_progress)
    if summary_path is not None:
        files.write(summary_path, summary.to_json())
    # Where the answers may go to stdout, nothing else does.
    is_file = Path(summary.output).is_file() or Path(summary.output).is_dir()
    click.echo(render.scored(summary), err=not is_file)
    context.exit(3 if summary.rejected else 0)
