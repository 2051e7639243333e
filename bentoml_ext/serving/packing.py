"""A bento that carries its model and only the requirements of its backend."""

from __future__ import annotations

import shutil
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import attrs
import bentoml
from bentoml.exceptions import NotFound
from bentoml.images import Image
from bentoml.models import BentoModel

from bentoml_ext import internals
from bentoml_ext.settings import Settings

__all__ = ["PackedImage", "PackedModel", "image_for", "packed_store"]

# BentoML leaves models in the store of the machine that built the bento; its own `models` folder
# is dropped from a bento that is saved. So they travel with the source.
STORE = "model_store"

ALWAYS = ("numpy", "msgspec", "uvloop", "httptools")
"""What every serving process needs, besides BentoML, which adds itself."""

NEEDS = {"onnx": ("onnxruntime",), "xgboost": ("xgboost",)}
"""What a backend of ours needs besides."""


class PackedModel(BentoModel):
    """A reference to a stored model that says what to do when there is none."""

    def resolve(self, base_path: Any = None, global_model_store: Any = None) -> bentoml.Model:
        try:
            stored = bentoml.models.get(self.tag)
        except NotFound as error:
            raise NotFound(
                f"Expected model '{self.tag}', got none of that name - at "
                f"{internals.model_store_path()}. Train one (`python -m models.train`) or import "
                f"one (`bentoml ext import SOURCE --name {self.tag.name}`)."
            ) from error
        if base_path is not None:
            return super().resolve(base_path)
        return stored


@attrs.define
class PackedImage(Image):
    """An image whose bento holds these models in its source folder."""

    models: list[BentoModel] = attrs.field(factory=list, kw_only=True)

    def freeze(self, bento_fs: Path, envs: Any, platform_: str | None = None) -> Any:
        for model in self.models:
            stored = model.resolve()
            target = bento_fs / "src" / STORE / stored.tag.path()
            shutil.copytree(stored.path, target)
            (target.parent / "latest").write_text(str(stored.tag.version))
        return super().freeze(bento_fs, envs, platform_)


def image_for(settings: Settings, models: list[BentoModel]) -> PackedImage:
    """The image of a service: its models, and the libraries of its backend at their versions here.

    A backend of another package brings what it needs by its own requirements: add its package
    under `python: packages` in bentofile.yaml.
    """
    image = PackedImage(models=models)
    # They are pinned to what is installed, and so proven, here; a lock would ask the network.
    image.lock_python_packages = False
    image.python_packages(*map(_pinned, (*ALWAYS, *NEEDS.get(settings.backend, ()))))
    return image


def packed_store(bento: bentoml.Bento) -> Path | None:
    """The model store that a bento carries, if it does."""
    store = Path(bento.path_of("src")) / STORE
    return store if store.is_dir() else None


def _pinned(library: str) -> str:
    try:
        return f"{library}=={version(library)}"
    except PackageNotFoundError:
        # Packing for a backend that is not installed here: its newest version will have to do.
        return library
