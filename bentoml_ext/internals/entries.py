"""Entries: a say in what BentoML serves and builds where the entry service is not ours.

Names that BentoML does not promise, as those of `internals`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import bentoml
from bentoml._internal.bento.build_config import PythonOptions

__all__ = ["follow_entries", "follow_legacy_builds"]


def follow_entries(on_entry: Callable[[Any], None], on_load: Callable[[Any, Any], None]) -> None:
    """Have a say in every entry service and its bento, also in one that depends on ours; once.

    Args:
        on_entry: gets the service that BentoML is about to serve or to build.
        on_load: gets the entry service and the bento, after BentoML's own steps.
    """
    if hasattr(bentoml.Service.on_load_bento, "bentoml_ext"):
        return
    inject, load = bentoml.Service.inject_config, bentoml.Service.on_load_bento

    @wraps(inject)
    def inject_config(service: Any) -> None:
        on_entry(service)
        inject(service)

    @wraps(load)
    def on_load_bento(service: Any, bento: Any) -> None:
        load(service, bento)
        on_load(service, bento)

    on_load_bento.bentoml_ext = True  # type: ignore[attr-defined]
    services: Any = bentoml.Service
    services.inject_config, services.on_load_bento = inject_config, on_load_bento


def follow_legacy_builds(extend: Callable[[Any, Path, Path], Any]) -> None:
    """Have a say in the requirements of bentos without an image; once.

    Args:
        extend: gets the options of Python, the bento's folder and the user's; gives the options.
    """
    write = PythonOptions.write_to_bento
    if hasattr(write, "bentoml_ext"):
        return

    @wraps(write)
    def write_to_bento(options: Any, bento: Any, folder: str, **rest: Any) -> None:
        write(extend(options, Path(bento), Path(folder)), bento, folder, **rest)

    write_to_bento.bentoml_ext = True  # type: ignore[attr-defined]
    classes: Any = PythonOptions
    classes.write_to_bento = write_to_bento
