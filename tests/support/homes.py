"""Homes for tests: a store of another BENTOML_HOME that this process saves into."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bentoml._internal.configuration.containers import BentoMLContainer

from bentoml_ext.internals.store import use_model_store

__all__ = ["store_of"]


@contextmanager
def store_of(home: Path) -> Iterator[None]:
    """This process saves into the store of another home."""
    (home / "models").mkdir(parents=True, exist_ok=True)
    use_model_store(home / "models")
    try:
        yield
    finally:
        BentoMLContainer.model_store.reset()
