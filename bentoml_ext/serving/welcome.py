"""Welcome: what `bentoml serve` says before its workers start, of where to ask and what to type."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Iterator
from contextlib import suppress

import click

from bentoml_ext.encoders.field import Application
from bentoml_ext.internals.server import listens_on

__all__ = ["welcome"]


def welcome(
    example: Application | None = None,
    prefix: str = "",
    name: str = "classify",
    models: str = "model",
    *,
    ui: bool = True,
) -> None:
    """Print where the server listens and the next thing to type; nothing but under `bentoml serve`.

    Args:
        example: an application to ask with.
        prefix: path before those of the service.
        name: of the route that answers one application.
        models: of the route that describes the model, or several.
        ui: whether there is a page with a form.
    """
    context = click.get_current_context(silent=True)
    if context is None or context.command.name != "serve":
        return
    host, port = listens_on(context.params)
    # Advice alone: a full disk behind standard error stops no server.
    with suppress(OSError):
        for line in _lines(host, port, example, prefix.strip("/"), (name, models), ui=ui):
            click.echo(line, err=True)


def _lines(
    host: str,
    port: int,
    example: Application | None,
    prefix: str,
    routes: tuple[str, str],
    *,
    ui: bool,
) -> Iterator[str]:
    everywhere = False
    with suppress(ValueError):
        everywhere = ipaddress.ip_address(host).is_unspecified
    name = "localhost" if everywhere else f"[{host}]" if ":" in host else host
    url = f"http://{name}:{port}" + (f"/{prefix}" if prefix else "")
    if ui:
        yield f"A form for one application, with its answer and every backend's bits: {url}/ui"
    route, models = routes
    subject = "The model and its proof" if models == "model" else "The models and their proofs"
    yield f"The page of the service: {url}/   {subject}: {url}/{models}"
    if everywhere:
        yield (
            f"Every machine that reaches this one can ask at port {port}, and is not asked who it "
            "is. `--host 127.0.0.1` keeps the server to this machine."
        )
    else:
        # A user of `make serve` does not see the server's command line.
        yield (
            f"It listens at {host} alone; `--host 0.0.0.0`, or BENTOML_HOST=0.0.0.0 before "
            "`make serve`, lets other machines ask."
        )
    if example is not None:
        body = json.dumps(example, ensure_ascii=True).replace("'", r"\u0027")
        yield "As soon as it is ready, in another terminal:"
        yield f"  curl {url}/{route} -H 'Content-Type: application/json' -d '{body}'"
