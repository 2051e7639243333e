"""Export: `bentoml ext export`."""

from __future__ import annotations

from pathlib import Path

import click

__all__ = ["export_command"]


@click.command("export")
@click.argument("tag")
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, allow_dash=True, path_type=Path),
    help="File to write; - for standard output.  [default: NAME-VERSION.onnx]",
)
@click.option(
    "--with-encoder",
    is_flag=True,
    help="One graph from the raw fields to margin, probability and decision.",
)
@click.option(
    "--one-thread",
    is_flag=True,
    help="The stored graph as it is: faster, and exact with intra_op_num_threads = 1 alone.",
)
def export_command(tag: str, output: Path | None, with_encoder: bool, one_thread: bool) -> None:
    """Write the model TAG as an ONNX file, and say what was checked.

    The file takes rows of features and gives margins. With --with-encoder it takes the fields of an
    application, so that any language with ONNX Runtime scores without further code. Either has
    XGBoost's own bits under ONNX Runtime's defaults, on any number of threads.
    """
    from bentoml_ext import files, framework
    from bentoml_ext.cli import render
    from bentoml_ext.proving import exported_application, exported_margins
    from bentoml_ext.store.targets import stored_model

    if with_encoder and one_thread:
        raise click.UsageError("--one-thread is for the graph of rows, --with-encoder is not.")
    if output == Path():
        raise click.BadParameter("Expected a file, got an empty name.", param_hint="'-o'")
    if output is not None and output.suffix not in (".onnx", ""):
        raise click.BadParameter(
            f"Expected a name that ends in .onnx, got '{output.name}'.", param_hint="'-o'"
        )
    stdout = files.stdout() if str(output) == "-" else None
    stored = stored_model(tag)
    bundle = framework.load_bundle(stored)
    output = output or Path(f"{stored.tag.name}-{stored.tag.version}.onnx")
    if one_thread:
        data = bundle.file("graph.onnx")
        text = render.exported_for_one_thread(stored, bundle, output)
    elif with_encoder:
        whole = exported_application.make(bundle, stored.tag)
        data, text = whole.data, render.exported_whole(stored, whole, output)
    else:
        made = exported_margins.make(bundle, stored.tag)
        data, text = made.data, render.exported(stored, bundle, made, output)
    if stdout:
        stdout.write(data)
        # Here a full disk or a reader that has gone is one line; at the process's end it is more.
        stdout.flush()
    else:
        files.write(output, data)
    click.echo(text, err=stdout is not None)
