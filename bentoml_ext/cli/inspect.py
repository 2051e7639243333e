"""Inspect: `bentoml ext inspect`."""

from __future__ import annotations

import click

__all__ = ["inspect_command"]


@click.command("inspect")
@click.argument("tag")
@click.option("--fields", is_flag=True, help="The rules of the fields alone, as `--fields` reads.")
def inspect_command(tag: str, *, fields: bool) -> None:
    """Show what is in the bundle TAG: files, checksums, versions, objective, trees, fields.

    TAG may also be a bento, by its tag or folder; in a bento's folder or container, its models come
    before those of the store.
    """
    from bentoml_ext import files, framework
    from bentoml_ext.cli import render
    from bentoml_ext.encoders.fields_file import fields_json
    from bentoml_ext.store.targets import stored_model

    stored = stored_model(tag)
    if fields:
        stdout = files.stdout()
        stdout.write(fields_json(framework.load_bundle(stored).encoder.fields))
        stdout.flush()
        return
    render.show(render.inspected(stored, framework.load_bundle(stored)))
