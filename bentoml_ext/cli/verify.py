"""Verify: `bentoml ext verify`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from bentoml_ext.cli.options import EXISTING_FILE

__all__ = ["verify_command"]


@click.command("verify")
@click.argument("target")
@click.option(
    "--booster",
    type=EXISTING_FILE,
    help="For an ONNX file: the .json or .ubj file of the booster that it must agree with.",
)
@click.option(
    "--rounds",
    type=click.Choice(["best", "all"]),
    help="Of a Booster whose training stopped early: the rounds that count.",
)
@click.option(
    "--missing",
    type=float,
    help="Of an estimator that had a marker for missing, as missing=-1: the number, which no file "
    "keeps.  [default: NaN alone]",
)
@click.option(
    "--model",
    metavar="TAG",
    help="For an ONNX file: the stored model that it must agree with.  [default: the one that the "
    "file names]",
)
@click.option(
    "--pipeline",
    type=EXISTING_FILE,
    help="For an ONNX file: the scikit-learn pipeline that it must agree with, a skops file.",
)
@click.option("--allow-pickle", is_flag=True, help="The pipeline may be a pickle: it runs code.")
@click.option("--data", type=EXISTING_FILE, help="For --pipeline: rows to compare, Parquet or CSV.")
@click.option(
    "--rows",
    type=click.IntRange(min=0),
    default=100_000,
    show_default=True,
    help="Random rows, besides those on every split.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Of the random rows.")
@click.option(
    "--json",
    "output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File for the proof as JSON.",
)
@click.pass_context
def verify_command(
    context: click.Context, /, *, target: str, rows: int, seed: int, output: Any, **measure: Any
) -> None:
    """Prove TARGET again, here and now; exit 1 on any difference.

    TARGET is the tag of a stored model, whose backends are judged, or a bento that carries one, by
    its tag or folder. In a bento's folder or container, its models come before those of the store.
    Or TARGET is any ONNX file, also one of another converter. It is judged by the booster or the
    pipeline that it was made of, or by a stored model.
    """
    from bentoml_ext import files
    from bentoml_ext.cli import progress, render
    from bentoml_ext.proving import verify

    _check(measure)
    with progress.progress("Verifying") as on_progress:
        proof, features = verify.verify(
            target,
            verify.Measure(**measure),
            random_rows=rows,
            seed=seed,
            on_progress=on_progress,
        )
    if output is not None:
        files.write(output, proof.to_json())
    render.show(render.proven(proof, features))
    context.exit(0 if proof.holds else 1)


def _check(measure: dict[str, Any]) -> None:
    """Refuse an option that has nothing to do: none is ignored."""
    for option, owner in (
        ("rounds", "booster"),
        ("missing", "booster"),
        ("allow_pickle", "pipeline"),
        ("data", "pipeline"),
    ):
        # By identity: --missing 0 is given, too.
        if all(measure[option] is not one for one in (None, False)) and not measure[owner]:
            raise click.UsageError(f"--{option.replace('_', '-')} is for --{owner}.")
