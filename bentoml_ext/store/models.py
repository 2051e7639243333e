"""Models: the bundles in BentoML's model store."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import bentoml
from bentoml.exceptions import NotFound

from bentoml_ext.errors import ConfigError
from bentoml_ext.internals.store import create_model
from bentoml_ext.proof import environment
from bentoml_ext.store.bundle import Bundle, Manifest
from bentoml_ext.store.tags import find

__all__ = ["MODULE", "get", "load_bundle", "store"]

MODULE: Final = "bentoml_ext"
"""Module name in every model that this package stores: BentoML asks that module for it."""

API_VERSION: Final = "v1"

SIGNATURES: Final[dict[str, Any]] = {
    "predict": {"batchable": True, "batch_dim": 0},
    "margins": {"batchable": True, "batch_dim": 0},
}
"""Methods of a Runner of the model."""


def get(tag: bentoml.Tag | str) -> bentoml.Model:
    """The stored model of a tag, or of a promoted name as MODEL@champion.

    Raises:
        NotFound: no such model, or one that another framework saved.
        ConfigError: not a tag.
        BundleError, HistoryBroken: the name leads to no sound version.
    """
    model = find(tag)
    if model.info.module != MODULE:
        raise NotFound(
            f"Expected a model saved by {MODULE}, got one saved by {model.info.module} - at "
            f"{model.tag}. `bentoml ext import {model.tag} --name NAME` makes a bundle of it."
        )
    return model


def load_bundle(model: bentoml.Tag | str | bentoml.Model) -> Bundle:
    """The bundle of a stored model, its checksums verified.

    Raises:
        NotFound: as `get`.
        BundleError: corrupt, truncated or of another format.
    """
    stored = model if isinstance(model, bentoml.Model) else get(model)
    return Bundle(Path(stored.path))


def store(
    tag: bentoml.Tag, files: Mapping[str, bytes], manifest: Manifest, **fields: Any
) -> bentoml.Model:
    """A new version in the store, whole or not at all.

    Args:
        tag: a name, for a new version of it, or a whole tag.
        files: of the bundle, all but the manifest.
        manifest: its `files` are set here.
        fields: BentoML's labels and metadata.

    Raises:
        ConfigError: labels or metadata of another type than dict.
        BentoMLException: the version exists.
    """
    for name, value in fields.items():
        if value is not None and not isinstance(value, dict):
            raise ConfigError(f"Expected a dict, got {value!r:.60} - at {name}.")
    with create_model(
        tag,
        framework_versions=environment.libraries(),
        module=MODULE,
        api_version=API_VERSION,
        signatures=SIGNATURES,
        **fields,
    ) as stored:
        Bundle.write(Path(stored.path), files, manifest)
    return bentoml.models.get(stored.tag)
