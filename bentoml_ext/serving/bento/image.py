"""Image: a bento that carries its model, this package, and its backend's requirements alone."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from copy import copy
from pathlib import Path
from typing import Any, ClassVar

import attrs
import bentoml
from bentoml.exceptions import NotFound
from bentoml.images import Image

from bentoml_ext.backends.registry import libraries, packages
from bentoml_ext.choices import some_of
from bentoml_ext.errors import ConfigError
from bentoml_ext.internals.store import copy_folder, model_store_path
from bentoml_ext.serving.bento.requirements import has_arrow, requirements
from bentoml_ext.serving.bento.wheel import PACKAGE
from bentoml_ext.serving.given import check_arguments
from bentoml_ext.serving.processes.supervisor import pin, pinned, supervise
from bentoml_ext.settings import Settings, hand_on
from bentoml_ext.store.history import copy_history
from bentoml_ext.store.names import Named
from bentoml_ext.store.tags import asked_of, find, versions

__all__ = [
    "EmbeddedModel",
    "PackedImage",
    "image_for",
    "packed_labels",
    "packed_store",
    "served_model",
]

# BentoML leaves models in the store of the machine that built the bento, and drops its own `models`
# folder from a bento that is saved. So they travel with the source.
STORE = "model_store"


class EmbeddedModel:
    """A class attribute that is a tag's stored model in an instance, found on first use.

    Not a `bentoml.models.BentoModel`: of these BentoML only notes the tag in a bento, and asks the
    store for them again when the bento is exported.

    Args:
        tag: the service's own, or a promoted name as MODEL@champion.
        slot: name of its place among several models of the service.
    """

    served: ClassVar[list[EmbeddedModel]] = []
    """Models of the services that this process has made."""

    def __init__(self, tag: bentoml.Tag | Named | str, slot: str = "") -> None:
        self.own = asked_of(tag)
        self.called = slot or self.own.name
        """Name by which BACKEND means it."""
        self._chosen: bentoml.Tag | Named | None = None

    def __call__(self) -> None:
        """Stop the start where the model is missing, and not one worker after the other."""
        # `latest` and names may move while the server runs: every worker serves what is found now.
        pin(str(self.tag), str(self.resolve().tag))

    def __get__(self, instance: Any, owner: type) -> Any:
        return self if instance is None else self.resolve()

    def choose(self, tag: bentoml.Tag | Named | None) -> None:
        """Let the operator's tag, if there is one, answer in the place of the service's own."""
        self._chosen = tag

    @property
    def tag(self) -> bentoml.Tag | Named:
        """The tag or the promoted name that is served.

        Raises:
            ConfigError: the operator's is of another name, and which service it is for is open.
        """
        if self._chosen is None or self._chosen.name == self.own.name:
            return self._chosen or self.own
        names = sorted({self.own.name, *(model.own.name for model in self.served)})
        if self._chosen.name in names:
            return self.own
        if len(names) > 1:
            raise ConfigError(
                f"Expected a version of {' or '.join(names)}, got {self._chosen} - at MODEL. "
                "With several services, name a version of the model of one of them."
            )
        return self._chosen

    @property
    def asks_latest(self) -> bool:
        """Whether the newest version is served, whichever that is."""
        tag = self.tag
        return isinstance(tag, bentoml.Tag) and tag.version in (None, "latest")

    def resolve(self) -> bentoml.Model:
        """The stored model.

        Raises:
            NotFound: the store has no such model; the message names the remedy.
            ConfigError: as `tag`.
            BundleError, HistoryBroken: a name leads to no sound version.
        """
        tag = asked_of(pinned(str(self.tag)) or str(self.tag))
        if isinstance(tag, Named):
            return find(tag)
        try:
            return bentoml.models.get(tag)
        except NotFound as error:
            there = versions(tag.name)
            found = f"only {some_of(there)}" if there else "none of that name"
            raise NotFound(
                f"Expected model '{tag}', got {found} - at {model_store_path()}. "
                f"{_ways_to_store(tag.name)}"
            ) from error


def served_model(tag: bentoml.Tag | str) -> bentoml.Model:
    """The stored model that every process of a legacy service serves for a tag.

    It is looked for once, when the server starts. A Runner that is replaced later must not have the
    trees of a newer version than its service's encoder and policy.

    Raises:
        NotFound, ConfigError: as `EmbeddedModel.resolve`, and for what nobody declares.
    """
    supervise()
    hand_on()
    check_arguments(object)
    model = EmbeddedModel(tag)
    model.choose(Settings.read().model)
    model()
    return model.resolve()


@attrs.define
class PackedImage(Image):
    """An image whose bento holds these models in its source folder, and this package as a wheel."""

    models: list[EmbeddedModel] = attrs.field(factory=list, kw_only=True)
    service: type = attrs.field(default=object, kw_only=True)
    needed: tuple[str, ...] = attrs.field(default=(), kw_only=True)
    registrars: tuple[str, ...] = attrs.field(default=(), kw_only=True)
    # Variables that a bento of a service of another's remembers.
    envs: list[Any] = attrs.field(factory=list, kw_only=True)

    def freeze(self, bento_fs: Path, envs: Any, platform_: str | None = None) -> Any:
        try:
            return self._freeze(bento_fs, envs, platform_)
        except OSError as error:
            # BentoML leaves it for ever, where the disk may be full.
            shutil.rmtree(bento_fs, ignore_errors=True)
            if error.errno is None:
                raise
            place = error.filename2 or error.filename or str(bento_fs)
            raise OSError(error.errno, error.strerror, place) from error

    def _freeze(self, bento_fs: Path, envs: Any, platform_: str | None) -> Any:
        # They travel with the bento, and would stop it wherever it is served.
        check_arguments(self.service)
        named = {env.name for env in envs}
        envs.extend(env for env in self.envs if env.name not in named)
        for model in self.models:
            stored = model.resolve()
            target = bento_fs / "src" / STORE / stored.tag.path()
            copy_folder(Path(stored.path), target)
            pointer = target.parent / "latest"
            # Of two versions of a model, the one that was asked for as the latest stays that.
            if not pointer.exists() or model.asks_latest:
                pointer.write_text(str(stored.tag.version))
            if isinstance(model.tag, Named):
                copy_history(model.tag.name, bento_fs / "src")
        # BentoML's classes reach mypy as Any.
        image: Any = self
        folder = bento_fs / "env" / "python"
        lines = requirements(image.python_requirements, self.needed, folder, self.registrars)
        image.python_requirements = "\n".join([*lines, image.python_requirements])
        document = bento_fs / "apis" / "openapi.yaml"
        if document.is_file():
            from bentoml_ext.serving.document.openapi import with_arrow

            # It was written by this environment, before the bento's own was known.
            has = has_arrow(image.python_requirements)
            document.write_bytes(with_arrow(document.read_bytes(), has_arrow=has))
        return super().freeze(bento_fs, envs, platform_)


def image_for(
    backends: Sequence[str],
    service: type[Any],
    given: Image | None = None,
    models: Sequence[EmbeddedModel] = (),
) -> PackedImage:
    """The image of a service: its models, this package, and the libraries of its backend.

    A backend of another package brings what it needs by that package's own requirements.

    Args:
        backends: those that score.
        service: the class.
        given: the user's own image, whose base, packages and commands are kept.
        models: those that it carries.
    """
    needed = tuple(library for name in backends for library in libraries(name))
    others = tuple(package for name in backends for package in packages(name))
    image = PackedImage(models=list(models), service=service, needed=needed, registrars=others)
    # Ours are pinned to what is installed, and so proven, here; a lock would ask the network.
    image.lock_python_packages = False
    # Not through the constructor, which does not take all, and adds to a list that it is given.
    for one in attrs.fields(Image) if given is not None else ():
        setattr(image, one.name, copy(getattr(given, one.name)))
    return image


def packed_labels(service: type[Any]) -> dict[str, str]:
    """For `bentoml get`: the models that a bento of a service carries, proofs and backends."""
    from bentoml_ext.scoring.self_test import load_proof
    from bentoml_ext.store.bundle import Bundle

    models = [slot.model.resolve() for slot in service.slots.values()]
    proofs = [load_proof(Bundle(Path(stored.path)))[1] for stored in models]
    return {
        "bentoml_ext.model": ", ".join(str(stored.tag) for stored in models),
        "bentoml_ext.proof": ", ".join(f"sha256:{sha256}" for sha256 in proofs),
        "bentoml_ext.backend": service.settings.backend,
    }


def packed_store(bento: bentoml.Bento) -> Path | None:
    """The model store that a bento carries, if it does."""
    store = Path(bento.path_of("src")) / STORE
    return store if store.is_dir() else None


def _ways_to_store(name: str) -> str:
    """How a model of this name is stored; the project's folder alone has one to train."""
    train = Path("models", "train.py")
    is_ours = train.is_file() and train.resolve() == PACKAGE.parent / train
    way = "Train one (`python -m models.train`)" if is_ours else "Store one (`save_model`)"
    return f"{way} or import one (`bentoml ext import SOURCE --name {name}`)."
