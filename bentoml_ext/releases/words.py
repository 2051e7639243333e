"""Words: the model and the name that a word of the command line means."""

from __future__ import annotations

from bentoml.exceptions import NotFound

from bentoml_ext.errors import ConfigError
from bentoml_ext.store.history import recorded
from bentoml_ext.store.names import AT, CHAMPION, Named, named_of

__all__ = ["model_meant", "name_meant"]


def name_meant(word: str | None) -> Named:
    """The model and the name of MODEL@NAME, MODEL, NAME, or nothing.

    A model alone means its champion; a name alone is of the one model that was promoted.

    Raises:
        NotFound: nothing was promoted.
        ConfigError: several models were, or a word means a model and a name.
    """
    if word is not None and AT in word and not word.startswith(AT):
        return named_of(word)
    models, alias = recorded(), (word or CHAMPION).removeprefix(AT).lower()
    if word is not None and alias in models:
        return named_of(f"{alias}{AT}{CHAMPION}")
    return named_of(f"{_only(models, alias)}{AT}{alias}")


def model_meant(word: str) -> tuple[str, str | None]:
    """The same for a history: a model, and a name or None for all of its names."""
    if AT not in word and word.lower() in recorded():
        return word.lower(), None
    named = name_meant(word)
    return named.name, named.alias


def _only(models: list[str], alias: str) -> str:
    if not models:
        raise NotFound(
            "Expected a promoted version, got none - at the store. "
            "`bentoml ext promote TAG` promotes the first."
        )
    if len(models) > 1:
        raise ConfigError(
            f"Expected MODEL{AT}NAME of {', '.join(models)}, got '{alias}' alone - at the command. "
            f"Write {models[0]}{AT}{alias}, for example."
        )
    return models[0]
