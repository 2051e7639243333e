"""Tags: NAME or NAME:VERSION in BentoML's store."""

from __future__ import annotations

import bentoml

from bentoml_ext.errors import ConfigError

__all__ = ["tag_of"]


def tag_of(name: bentoml.Tag | str) -> bentoml.Tag:
    """The tag that `name` writes.

    Raises:
        ConfigError: BentoML allows no such name or version.
    """
    try:
        return bentoml.Tag.from_taglike(name)
    # BentoML raises the first for a name and the second for a version.
    except (ValueError, bentoml.exceptions.BentoMLException) as error:
        raise ConfigError(
            f"Expected NAME or NAME:VERSION in letters, digits, '_', '-' and '.', got '{name}'."
        ) from error
