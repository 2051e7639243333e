"""Pipelines: a fitted Pipeline that was kept in a file or in BentoML's store becomes a bundle.

A skops file is audited. A pickle is read where the user says so, and only as far as the classes of
known steps go. A file of applications says which fields there are, and their types.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import bentoml
from bentoml.exceptions import NotFound

from bentoml_ext import files, framework
from bentoml_ext.decisions.policy_file import read_policy
from bentoml_ext.errors import ConfigError, ImportRefused
from bentoml_ext.importers.find import STORED_BY_OTHERS
from bentoml_ext.importers.pickled_pipeline import is_pickled, read_pickled_pipeline
from bentoml_ext.importers.request import ImportRequest
from bentoml_ext.store import tags
from bentoml_ext.store.origin import Assumption, Origin

if TYPE_CHECKING:
    from bentoml_ext.proving.every_form import ProofProgress

__all__ = ["PipelineSource", "find_pipeline", "import_pipeline"]

STORED: Final = "saved_model.pkl"


@dataclass(frozen=True, eq=False)
class PipelineSource:
    """A fitted Pipeline that was found.

    Args:
        name: as the user called it.
        pipeline: ends in an estimator of XGBoost.
        sha256: of its file.
    """

    name: str
    pipeline: Any
    sha256: str

    @property
    def n_trees(self) -> int:
        """All trees of its estimator."""
        return len(self.pipeline.steps[-1][1].get_booster().get_dump())


def find_pipeline(source: str, *, allow_pickle: bool) -> PipelineSource | None:
    """The Pipeline that a path or a tag names; None of what is not one.

    Args:
        source: path or tag.
        allow_pickle: whether the user lets a pickle be read.

    Raises:
        ImportRefused: another object, a class that is not known, or a damaged file.
        ConfigError: a pickle in the store, and the user has not said that it may be read.
    """
    path = Path(source)
    if path.is_file():
        return _in_file(path, allow_pickle=allow_pickle)
    return None if path.is_dir() or "/" in source else _in_store(source, allow_pickle=allow_pickle)


def _in_file(path: Path, *, allow_pickle: bool) -> PipelineSource | None:
    from bentoml_ext.export.pipelines.files import is_skops, read_pipeline

    if is_skops(path):
        return _checked(path.name, read_pipeline(path), files.read(path))
    if allow_pickle and is_pickled(data := files.read(path)):
        return _of_pickle(path.name, data)
    return None


def _in_store(source: str, *, allow_pickle: bool) -> PipelineSource | None:
    try:
        stored = tags.find(source)
    except (NotFound, ConfigError):
        # Whoever looks for a booster next says what is wrong.
        return None
    file = Path(stored.path) / STORED
    if stored.info.module not in STORED_BY_OTHERS or not file.is_file():
        return None
    if not allow_pickle:
        raise ConfigError(
            f"Expected --allow-pickle, got none - at {stored.tag}, which {stored.info.module} "
            "stored as a pickle. It is read as far as the classes of scikit-learn's known steps, "
            "XGBoost's estimators and numpy's arrays go; another class is refused."
        )
    return _of_pickle(str(stored.tag), files.read(file))


def import_pipeline(
    found: PipelineSource,
    request: ImportRequest,
    name: bentoml.Tag,
    on_progress: ProofProgress | None,
) -> bentoml.Model:
    """Make a bundle of a Pipeline: its own steps say what the options say of other models.

    Args:
        found: the Pipeline.
        request: how it is imported.
        name: of the new model.
        on_progress: as `framework.save_model`.

    Raises:
        ConfigError: an option that has no meaning for a Pipeline.
        ImportRefused: nothing says which fields there are.
    """
    from bentoml_ext.acceptance import Check
    from bentoml_ext.importers.examples import example_of

    _check_options(found, request)
    path = request.example or request.check
    if path is None:
        raise ImportRefused(
            f"Expected applications that say which fields there are, got none - at {found.name}. "
            "Give --check FILE, with your own predictions, or --example FILE, without."
        )
    check = None
    if request.check is not None:
        check = Check.read(request.check, request.prediction)
    said = [
        Assumption(
            "fields", "their types and nulls as in the file", f"{_option(request)} {path.name}"
        ),
        *([] if check else [Assumption("rows", "as the pipeline makes them", "its own transform")]),
    ]
    return framework.save_model(
        name,
        found.pipeline,
        example=example_of(path, found.pipeline),
        fields=request.fields,
        policy=None if request.policy is None else read_policy(request.policy),
        check=check,
        origin=Origin(found.name, found.sha256, found.n_trees, "", said),
        labels={"imported-from": found.name},
        on_progress=on_progress,
    )


def _check_options(found: PipelineSource, request: ImportRequest) -> None:
    """Refuse options that say what a Pipeline says itself."""
    given = [*dict(request.reading.decided()), *(["features"] if request.features else [])]
    if given:
        raise ConfigError(
            f"Expected no --{given[0]} for a Pipeline, got one - at {found.name}. Its own "
            "steps say it."
        )


def _option(request: ImportRequest) -> str:
    return "--check" if request.example is None else "--example"


def _of_pickle(name: str, data: bytes) -> PipelineSource:
    return _checked(name, read_pickled_pipeline(data, name), data)


def _checked(name: str, found: Any, data: bytes) -> PipelineSource:
    if not hasattr(found, "steps") or not hasattr(found.steps[-1][1], "get_booster"):
        raise ImportRefused(
            f"Expected a Pipeline that ends in an estimator of XGBoost, got {_kind(found)} - at "
            f"{name}. Write an estimator by `model.save_model('model.ubj')`, and import that."
        )
    return PipelineSource(name, found, hashlib.sha256(data).hexdigest())


def _kind(found: Any) -> str:
    last = f" with {type(found.steps[-1][1]).__name__}" if hasattr(found, "steps") else ""
    return type(found).__name__ + last
