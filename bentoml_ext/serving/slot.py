"""Slot: the place of one model in a service's class: its tag, its bodies, its API methods."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import bentoml

from bentoml_ext.encoders.field import Application, Field
from bentoml_ext.errors import ConfigError
from bentoml_ext.serving.apis import apis_of
from bentoml_ext.serving.bento.image import EmbeddedModel
from bentoml_ext.serving.contract import Contract, check_rules
from bentoml_ext.serving.routes import NAMES, UNDECIDED, method_of, path_of
from bentoml_ext.settings import Settings
from bentoml_ext.store.names import Named
from bentoml_ext.store.tags import asked_of, tag_of

if TYPE_CHECKING:
    from bentoml_ext.serving.served_model import ServedModel

__all__ = ["Models", "Slot", "slots_of"]

Word: TypeAlias = bentoml.Tag | Named | str
Models: TypeAlias = Sequence[Word] | Mapping[str, Word]
"""Tags of several models, each called by its model's name, or by its key."""


class Slot:
    """The place of one model in a service's class.

    Args:
        tag: of the model.
        name: of the place, and first part of its paths; empty for a service's only model.
        fields: rules that the stored model must have; None for its own.
        example: an application for the OpenAPI page; None for one that keeps the rules.
    """

    def __init__(
        self,
        tag: Word,
        name: str = "",
        fields: Sequence[Field] | None = None,
        example: Application | None = None,
    ) -> None:
        self.name = name
        self.model = EmbeddedModel(tag, name)
        self.fields = None if fields is None else tuple(fields)
        self.example = example
        self.contract = Contract(self.model, name, example)
        self.apis = apis_of(name, self.contract)

    def inherited(self, fields: Sequence[Field] | None, example: Application | None) -> Slot:
        """The same place in a class that derives from this one's."""
        fields = self.fields if fields is None else fields
        return Slot(self.model.own, self.name, fields, example or self.example)

    @property
    def answering(self) -> tuple[str, ...]:
        """The kinds of API methods that the model answers to."""
        return NAMES if self.contract.decides else UNDECIDED

    def path(self, name: str) -> str:
        """A path of the model in the service, without its first slash."""
        return path_of(self.name, name)

    def open(self, settings: Settings) -> ServedModel:
        """The stored model on its backend, after its self-test.

        Raises:
            ConfigError: it has other rules than this place.
            NotFound, BundleError, SelfTestFailed, BackendMissing, BackendError: as `ServedModel`.
        """
        from bentoml_ext.serving.served_model import ServedModel
        from bentoml_ext.store.bundle import Bundle

        # One resolution: `latest` may move while the service starts.
        stored = self.model.resolve()
        bundle = Bundle(Path(stored.path))
        if self.fields is not None:
            check_rules(self.fields, bundle.encoder.fields)
        self.contract.serve(bundle)
        backend = settings.chosen.of(self.model.called)
        return ServedModel.open(stored, bundle, backend, settings.crossover)


def slots_of(models: Models, fields: Any, example: Any) -> dict[str, Slot]:
    """The places of several models, by name.

    Args:
        models: their tags.
        fields, example: by name, of some of them.

    Raises:
        ConfigError: not a tag or a name, a name twice, or rules or an example for no model.
    """
    tags = dict(_named(models))
    for what, given in (("fields", fields), ("example", example)):
        if strange := [str(name) for name in given or () if name not in tags]:
            raise ConfigError(
                f"Expected one of {', '.join(tags)}, got '{strange[0]}' - at `{what}`. "
                f"With several models, `{what}` is a mapping by their names."
            )
    return {
        name: Slot(tag, name, (fields or {}).get(name), (example or {}).get(name))
        for name, tag in tags.items()
    }


def _named(models: Models) -> Iterator[tuple[str, bentoml.Tag | Named]]:
    seen: dict[str, str] = {}
    given = models.items() if isinstance(models, Mapping) else [("", word) for word in models]
    for key, word in given:
        tag = asked_of(word)
        name = str(tag_of(key)) if key else tag.name
        plain = method_of(name, "")
        if ":" in name or plain in seen:
            expected = "a name without a version" if ":" in name else "a name of its own"
            raise ConfigError(
                f"Expected {expected}, got '{name}' - at model {tag}. "
                'Name each, as in {"now": "NAME:latest", "before": "NAME:VERSION"}.'
            )
        seen[plain] = name
        yield name, tag
    if not seen:
        raise ConfigError("Expected tags of models, got none - at `models`. Name at least one.")
