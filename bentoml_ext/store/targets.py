"""Targets: which stored model a word of the command line means, also in a bento.

A bento carries its models in a store of its own. Where a command runs in one, in its folder or in
the container that BentoML makes of it, that store is asked before the machine's.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import bentoml
import msgspec
from bentoml.exceptions import NotFound

from bentoml_ext.errors import ConfigError
from bentoml_ext.internals import descriptions
from bentoml_ext.internals.store import model_store_path, use_model_store
from bentoml_ext.store.models import MODULE, get
from bentoml_ext.store.names import AT

__all__ = ["STORE", "stored_model"]

STORE: Final = Path("src", "model_store")
"""In the folder of a bento."""

MODELS: Final = "models"
"""The same, where BentoML itself puts models when it exports a bento."""

BENTO: Final = "bento.yaml"


def stored_model(word: str) -> bentoml.Model:
    """The stored model that is meant; its store is this process' from now on.

    Args:
        word: a tag or a promoted name of a model, the folder of a bento, or a tag of a bento.

    Raises:
        NotFound: none of them is there.
        ConfigError: a bento with several models or none, or not a tag.
    """
    if (Path(word) / BENTO).is_file():
        return _only(Path(word))
    machine = model_store_path()
    for store in _around():
        use_model_store(store)
        try:
            return get(word)
        except NotFound:
            use_model_store(machine)
    try:
        return get(word)
    except NotFound:
        if AT in word:
            # Not a tag of BentoML's, so not a bento either.
            raise
        try:
            with descriptions.reading(f"{word}'s {BENTO}"):
                bento = bentoml.bentos.get(word)
        except NotFound:
            bento = None
        if bento is None:
            raise
    return _only(Path(bento.path))


def _around() -> Iterator[Path]:
    """The stores of the bentos that this process runs in, the nearest first."""
    here = Path.cwd()
    # A container of BentoML names its bento, and commands may run in any folder of it.
    container = [Path(path)] if (path := os.environ.get("BENTO_PATH")) else []
    for folder in (here, *here.parents, *container):
        if (folder / BENTO).is_file() and (store := _store(folder)) is not None:
            yield store


def _store(folder: Path) -> Path | None:
    """The store that a bento carries; of a Runner's only a container's has one."""
    return next((folder / name for name in (STORE, MODELS) if (folder / name).is_dir()), None)


def _only(folder: Path) -> bentoml.Model:
    """The model of a bento that has one; a Runner's bento names one of the machine's store."""
    if (store := _store(folder)) is not None:
        use_model_store(store)
        with descriptions.reading(str(folder)):
            found = [str(model.tag) for model in bentoml.models.list()]
    else:
        with descriptions.reading(str(folder / BENTO)):
            named = msgspec.yaml.decode((folder / BENTO).read_bytes()).get("models") or []
            found = [one["tag"] for one in named if one.get("module") == MODULE]
    if not found:
        raise ConfigError(f"Expected a bento that carries a model, got none - at {folder}.")
    if len(found) != 1:
        tags = ", ".join(found)
        raise ConfigError(
            f"Expected a bento with one model, got {tags} - at {folder}. Name one of them there: "
            f"cd {folder}, then the same command with its tag."
        )
    return get(found[0])
