"""Entries: what a bento of ours carries, a bento whose entry service depends on ours carries too.

BentoML asks the entry service alone for an image, and that may be a plain `@bentoml.service`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial
from typing import Any

import bentoml

from bentoml_ext.backends.registry import require
from bentoml_ext.errors import ConfigError
from bentoml_ext.internals.store import use_model_store
from bentoml_ext.serving.bento.image import (
    EmbeddedModel,
    PackedImage,
    image_for,
    packed_labels,
    packed_store,
)
from bentoml_ext.serving.classifier import Classifier
from bentoml_ext.serving.given import check_arguments
from bentoml_ext.serving.slot import Slot
from bentoml_ext.settings import Settings

__all__ = ["backends_of", "check_served", "models_of", "on_entry", "on_load_bento"]

SETTINGS = ("BACKEND", "CROSSOVER", "MODEL")
"""Variables of a service of ours that a bento remembers."""


def models_of(entry: bentoml.Service[Any]) -> list[EmbeddedModel]:
    """The models that a bento of this service carries, each once."""
    ours = _ours(entry, here=True)
    models = {str(slot.model.tag): slot.model for one in ours for slot in one.inner.slots.values()}
    return list(models.values())


def backends_of(*services: type[Classifier]) -> list[str]:
    """The backends that services need, each once."""
    return list(
        dict.fromkeys(
            name
            for inner in services
            for name in inner.settings.needed_by(*(one.model.called for one in _slots(inner)))
        )
    )


def _slots(inner: type[Classifier]) -> list[Slot]:
    return list(inner.slots.values())


def on_entry(entry: bentoml.Service[Any]) -> None:
    """Let an entry service carry and check those of ours that it depends on.

    BentoML runs the hooks of the entry service alone.
    """
    here = _ours(entry, here=True)
    others = [one.inner for one in here if one is not entry]
    if others:
        entry.inner.check_dependencies = bentoml.on_deployment(partial(_check_all, others))
    ours = _ours(entry)
    if ours and not isinstance(entry.image, PackedImage):
        image = image_for(
            backends_of(*(one.inner for one in ours)), entry.inner, entry.image, models_of(entry)
        )
        image.envs = [env for env in ours[0].envs if env.name in SETTINGS]
        entry.image = image
        entry.labels = _Labels(entry.labels, others)


def check_served(inner: type[Classifier]) -> None:
    """Stop the start where a service of ours cannot be served as its settings say."""
    # The settings are read late, as a bento may bring its own.
    settings, slots = inner.settings, _slots(inner)
    settings.chosen.check([model.called for model in EmbeddedModel.served])
    if settings.model and [one.model.own.name for one in slots].count(settings.model.name) > 1:
        raise ConfigError(
            f"Expected a model that one place of the service has, got {settings.model} - at MODEL. "
            f"{inner.__qualname__} serves several of its versions: name them there."
        )
    require(*backends_of(inner))
    check_arguments(inner)
    for slot in slots:
        # Every worker serves the version that is found now.
        slot.model()


def on_load_bento(entry: bentoml.Service[Any], bento: bentoml.Bento) -> None:
    """Serve a bento with the models and the backend that were packed into it."""
    if not (ours := _ours(entry)):
        return
    if (store := packed_store(bento)) is not None:
        use_model_store(store)
    packed = {env.name: env.value for env in bento.info.envs}
    settings = Settings.read(environ={**packed, **os.environ})
    for one in ours:
        one.inner.settings = settings
        for slot in _slots(one.inner):
            slot.model.choose(settings.model)
    # BentoML hands these to the workers; they were made when this module was imported, before the
    # bento was known.
    for env in (env for one in ours for env in one.envs):
        if env.name == "BACKEND":
            env.value = settings.backend


class _Labels(dict[str, str]):
    """A user's labels, and those of the models, which are looked for when BentoML asks."""

    def __init__(self, own: dict[str, str], others: list[type[Classifier]]) -> None:
        super().__init__(own)
        self._others = others

    def __iter__(self) -> Iterator[str]:
        # `dict.update` asks a dict with an `__iter__` of its own for its keys and their values.
        for inner in self._others:
            for name, value in packed_labels(inner).items():
                before = self.get(name)
                self[name] = value if before in (None, value) else f"{before}, {value}"
        self._others = []
        return super().__iter__()

    def keys(self) -> Any:
        """The keys of all labels."""
        return list(self)


def _check_all(served: list[type[Classifier]]) -> None:
    for inner in served:
        check_served(inner)


def _ours(entry: bentoml.Service[Any], *, here: bool = False) -> list[Any]:
    """The services of our kind among an entry service and those that it depends on.

    Args:
        entry: the service.
        here: without those that answer elsewhere, at a URL.
    """
    services = entry.all_services(exclude_urls=here).values()
    return [one for one in services if issubclass(one.inner, Classifier)]
