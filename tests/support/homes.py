"""Homes for tests: a store of another BENTOML_HOME that this process saves into."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import bentoml
from bentoml._internal.configuration.containers import BentoMLContainer

from bentoml_ext.internals.store import use_model_store

__all__ = ["home_of", "store_of"]


@contextmanager
def store_of(home: Path) -> Iterator[None]:
    """This process saves into the store of another home."""
    (home / "models").mkdir(parents=True, exist_ok=True)
    use_model_store(home / "models")
    try:
        yield
    finally:
        BentoMLContainer.model_store.reset()


def home_of(model: bentoml.Model, folder: Path) -> Path:
    """A home in a folder, with a copy of all stored versions of a model."""
    versions = Path(model.path).parent
    shutil.copytree(versions, folder / "models" / versions.name)
    return folder
