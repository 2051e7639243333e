"""Tags: NAME or NAME:VERSION in BentoML's store, and MODEL@NAME, which leads to one."""

from __future__ import annotations

import bentoml
from bentoml.exceptions import NotFound

from bentoml_ext.choices import some_of
from bentoml_ext.errors import ConfigError
from bentoml_ext.internals import descriptions
from bentoml_ext.internals.store import model_store_path
from bentoml_ext.store.names import AT, Named, leads_to, named_of

__all__ = ["asked_of", "find", "tag_of", "versions"]


def tag_of(name: bentoml.Tag | str) -> bentoml.Tag:
    """The tag that `name` writes.

    Raises:
        ConfigError: BentoML allows no such name or version.
    """
    try:
        return bentoml.Tag.from_taglike(name)
    # BentoML raises the first for a name, the next two for another type, the last for a version.
    except (ValueError, TypeError, AttributeError, bentoml.exceptions.BentoMLException) as error:
        raise ConfigError(
            f"Expected NAME or NAME:VERSION in letters, digits, '_', '-' and '.', got '{name}'."
        ) from error


def asked_of(word: bentoml.Tag | Named | str) -> bentoml.Tag | Named:
    """The tag, or the name of a promoted version, that `word` writes.

    Raises:
        ConfigError: it writes neither.
    """
    if isinstance(word, Named):
        return word
    return named_of(word) if isinstance(word, str) and AT in word else tag_of(word)


def find(tag: bentoml.Tag | Named | str) -> bentoml.Model:
    """The stored model of a tag or of a name that leads to one.

    Capitals and small letters are the same, as they are to BentoML.

    Raises:
        ConfigError: as `asked_of`.
        NotFound: the store has no such model; says which versions it has.
        BundleError, HistoryBroken: as `names.leads_to`.
    """
    asked = asked_of(tag.lower() if isinstance(tag, str) else tag)
    if isinstance(asked, Named):
        with descriptions.reading(f"{tag}'s model.yaml in {model_store_path()}"):
            return leads_to(asked)
    try:
        with descriptions.reading(f"{tag}'s model.yaml in {model_store_path()}"):
            return bentoml.models.get(asked)
    except NotFound as error:
        there = versions(asked.name)
        found = f"only the versions {some_of(there)}" if there else "none of that name"
        raise NotFound(
            f"Expected a stored model, got {found} - at '{tag}' in {model_store_path()}. "
            "`bentoml models list` shows what is stored."
        ) from error


def versions(name: str) -> list[str]:
    """The stored versions of a model, sorted."""
    try:
        with descriptions.reading(f"a version of {name} in {model_store_path()}"):
            return sorted(str(model.tag.version) for model in bentoml.models.list(name))
    except NotFound:
        return []
