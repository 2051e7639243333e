"""Store: a new version in BentoML's model store, whole or not at all."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import bentoml
from bentoml._internal.configuration.containers import BentoMLContainer
from bentoml._internal.models import ModelContext, ModelStore
from bentoml._internal.models.model import Model
from bentoml.exceptions import BentoMLException

from bentoml_ext.internals.home import tolerate_read_only

__all__ = ["check_store", "copy_folder", "create_model", "model_store_path", "use_model_store"]

tolerate_read_only()


def model_store_path() -> Path:
    """The folder of the model store in use."""
    return Path(BentoMLContainer.model_store.get()._path)


def use_model_store(path: Path) -> None:
    """Resolve models in the store at `path` from now on, in this process."""
    BentoMLContainer.model_store.set(ModelStore(path))


def check_store() -> None:
    """Find that a model can be stored, before it is made.

    Raises:
        OSError: this user may not write in the home, in the name of the folder.
        ConfigError: there is no home, and none can be made.
    """
    shutil.rmtree(_staging())


@contextmanager
def create_model(
    name: bentoml.Tag | str,
    *,
    framework_versions: dict[str, str],
    **fields: Any,
) -> Iterator[Model]:
    """A new model, stored whole when the block ends well, or not at all.

    BentoML copies a new version into place file by file, so a kill leaves half of one, which then
    breaks every listing of the store. Here a version is written beside the store and renamed in.

    Args:
        name: a name, or a whole tag.
        framework_versions: libraries that the model needs or was made with.
        fields: the others of BentoML's `Model.create`.

    Raises:
        BentoMLException: the version exists, or is called "latest", which is a pointer's name.
    """
    if bentoml.Tag.from_taglike(name).version == "latest":
        raise BentoMLException(
            f"Expected NAME or NAME:VERSION, got {name} - at the new model's tag. "
            "Every new version becomes the latest of its name."
        )
    context = ModelContext(framework_name="bentoml_ext", framework_versions=framework_versions)
    model = Model.create(name, context=context, **fields)
    yield model
    model.flush()
    _store(model)


def _store(model: Model) -> None:
    store = BentoMLContainer.model_store.get()
    target = Path(store._path) / model.tag.path()
    staging = _staging()
    try:
        whole = staging / "model"
        copy_folder(Path(model._path), whole)
        _sync(whole)
        # All that needs room on the disk comes before the first rename.
        pointer = staging / "latest"
        pointer.write_text(str(model.tag.version))
        _sync(staging)
        target.parent.mkdir(parents=True, exist_ok=True)
        _rename_as_new(whole, target, model.tag)
        pointer.rename(Path(store._path) / model.tag.latest_path())
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    model._path = target


def _staging() -> Path:
    """A new folder in the store's own file system, so that a rename into the store is one step.

    It lies outside of the store, so that a listing never meets it.
    """
    beside = Path(BentoMLContainer.tmp_bento_store_dir.get())
    # A home that was read-only may have none.
    beside.mkdir(parents=True, exist_ok=True)
    return Path(tempfile.mkdtemp(prefix="bentoml_ext-", dir=beside))


def copy_folder(source: Path, target: Path) -> None:
    """Copy a folder; an error names the file that could not be written."""
    target.mkdir(parents=True, exist_ok=True)
    for path in sorted(source.rglob("*")):
        place = target / path.relative_to(source)
        try:
            place.mkdir() if path.is_dir() else shutil.copyfile(path, place)
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(place)) from error


def _sync(folder: Path) -> None:
    """Bring a folder's files to the disk: a rename must not arrive before what it names."""
    for path in folder.iterdir():
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())


def _rename_as_new(folder: Path, target: Path, tag: bentoml.Tag) -> None:
    try:
        # Fails if another process has stored that version meanwhile.
        folder.rename(target)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise
        raise BentoMLException(
            f"Expected a new version, got {tag}, which exists - at {target}."
        ) from error
