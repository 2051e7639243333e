"""Find: the model that a path or a tag names, in whichever way it was saved."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import bentoml
from bentoml.exceptions import NotFound

from bentoml_ext import files
from bentoml_ext.boosters.xgb.files import BoosterFile
from bentoml_ext.encoders.encoder import MissingValue
from bentoml_ext.encoders.feature_names import check_features, read_features
from bentoml_ext.encoders.reading import Reading
from bentoml_ext.encoders.user_rules import Rule
from bentoml_ext.errors import ImportRefused
from bentoml_ext.importers.pickled_vectorizer import (
    CUSTOM_OBJECTS,
    CustomObjects,
    cut_offs_of,
    read_custom_objects,
)
from bentoml_ext.importers.source import Source
from bentoml_ext.store import tags
from bentoml_ext.store.models import MODULE

__all__ = ["find", "from_file", "from_store"]

COURSE_MODULES: Final = ("bentoml.xgboost", "_bentoml_impl.frameworks.xgboost")
BOOSTER_FILES: Final = ("saved_model.ubj", "saved_model.json")
STORED_BY_OTHERS: Final = (
    "bentoml.sklearn",
    "bentoml.picklable_model",
    "_bentoml_impl.frameworks.sklearn",
    "bentoml._internal.frameworks.picklable_model",
)
"""What stores a pickle of a Pipeline."""

ELSEWHERE: Final = (
    "Load it in Python and hand it to `bentoml_ext.save_model(NAME, pipeline, example=FRAME)`, or "
    "an estimator of XGBoost with `encoder=...`."
)

SUFFIXES: Final = (".json", ".ubj", ".bst", ".model", ".xgb", ".pkl", ".joblib")
"""What looks like a file's name, and not like a tag."""


def find(source: str, features: Path | None = None, *, rules: Sequence[Rule] = ()) -> Source:
    """What `source` names: a booster's file, whatever its suffix, or a tag in the model store.

    Args:
        source: path or tag.
        features: for a file, that of its feature names; the booster's own by default.
        rules: of the fields.

    Raises:
        ImportRefused, NotFound, FeatureMismatch, ConfigError: as `from_store` and `from_file`.
    """
    path = Path(source)
    if path.is_file():
        names = None if features is None else read_features(features)
        return from_file(path, names, rules=rules)
    if path.is_dir():
        raise ImportRefused(
            f"Expected a booster's file or a tag, got a folder - at {source}. Name the file in it."
        )
    if path.suffix.lower() in SUFFIXES or "/" in source:
        raise ImportRefused(f"Expected a booster file, got none - at {path}.")
    if features is not None:
        raise ImportRefused("Expected --features for a booster file alone, got it for a tag.")
    try:
        return from_store(source, rules=rules)
    except NotFound as error:
        if ":" in source:
            raise
        raise NotFound(
            f"Expected a booster's file or the tag of a stored model, got neither - at {source}. "
            f"{str(error).rpartition(' - at ')[2].partition('. ')[2]}"
        ) from error


def from_store(tag: bentoml.Tag | str, *, rules: Sequence[Rule] = ()) -> Source:
    """A model that `bentoml.xgboost.save_model(..., custom_objects={...: dv})` stored.

    Args:
        tag: its tag.
        rules: of the fields.

    Raises:
        NotFound: no such model.
        ConfigError: not a tag.
        ImportRefused: another framework's model, or anything but a DictVectorizer and numbers in
            the pickle. The message names it.
    """
    stored = tags.find(tag)
    if stored.info.module not in COURSE_MODULES:
        is_ours = stored.info.module == MODULE
        raise ImportRefused(
            f"Expected a model saved by bentoml.xgboost, got one saved by {stored.info.module} "
            f"- at {stored.tag}. {'It is served as it is.' if is_ours else ELSEWHERE}"
        )
    folder = Path(stored.path)
    found = [folder / name for name in BOOSTER_FILES if (folder / name).is_file()]
    if not found:
        raise ImportRefused(f"Expected {BOOSTER_FILES[0]}, got no booster - at {stored.tag}.")
    file, sha256 = _read(found[0])
    file = replace(file, estimator=_is_estimator(stored) or file.estimator)
    if (folder / CUSTOM_OBJECTS).is_file():
        objects = read_custom_objects(files.read(folder / CUSTOM_OBJECTS))
        return _with_cut_offs(_of_vectorizer(str(stored.tag), file, objects, sha256, rules), stored)
    if not file.features:
        raise ImportRefused(
            f"Expected a DictVectorizer among the custom objects, got none - at {stored.tag}. "
            "Save it with custom_objects={'DictVectorizer': dv}, or import the booster's file "
            "with --features."
        )
    source = Source(str(stored.tag), file, file.features, _said(file), sha256=sha256)
    return _with_cut_offs(_checked(source, rules), stored)


def _with_cut_offs(source: Source, stored: bentoml.Model) -> Source:
    """The source with the cut-offs of its metadata, too."""
    return replace(source, cut_offs=cut_offs_of(stored.info.metadata) | dict(source.cut_offs))


def _is_estimator(stored: bentoml.Model) -> bool:
    """Whether bentoml.xgboost stored an estimator, and not a Booster.

    Raises:
        ImportRefused: of a class that is not XGBoost's; bentoml.xgboost cannot load it either.
    """
    import xgboost

    name = getattr(stored.info.options, "model_class", None) or "Booster"
    if hasattr(xgboost, str(name)):
        return bool(name != "Booster")
    raise ImportRefused(
        f"Expected a model of XGBoost's own classes, got a '{name}' - at {stored.tag}. The store "
        "keeps its booster, and not how it predicts. Save the booster, `model.get_booster()`, or "
        "an estimator of XGBoost."
    )


def _of_vectorizer(
    name: str,
    file: BoosterFile,
    objects: CustomObjects,
    sha256: str,
    rules: Sequence[Rule],
) -> Source:
    vectorizer = objects.vectorizer
    # Dense rows have zeros. Sparse ones may have been made dense before training: no file says so.
    absent: MissingValue | None = None if vectorizer.sparse else "zero"
    said = replace(_said(file), absent=absent, separator=vectorizer.separator)
    source = Source(
        name,
        file,
        vectorizer.features,
        said,
        vectorizer=True,
        cut_offs=objects.cut_offs,
        sha256=sha256,
    )
    return _checked(source, rules)


def from_file(
    path: Path, features: Sequence[str] | None = None, *, rules: Sequence[Rule] = ()
) -> Source:
    """A booster's own file, JSON or UBJSON, with the names of its features.

    Args:
        path: the file; its content says what it is.
        features: names in column order; by default those that the booster has.
        rules: of the fields.

    Raises:
        ImportRefused: not a booster, or one without names.
        FeatureMismatch: other names than the booster's, or a name twice.
    """
    file, sha256 = _read(path)
    if features is None and not file.features:
        raise ImportRefused(
            f"Expected the feature names of {path.name}, got none - at --features. "
            "Give a JSON list, or a text file with a name a line, in column order."
        )
    names = tuple(features or file.features)
    return _checked(Source(path.name, file, names, _said(file), sha256=sha256), rules)


def _read(path: Path) -> tuple[BoosterFile, str]:
    data = files.read(path)
    return BoosterFile.read(data, str(path)), hashlib.sha256(data).hexdigest()


def _said(file: BoosterFile) -> Reading:
    """An estimator predicts by its best iteration, and marks missing values by its own number."""
    stopped_early = file.best is not None
    return Reading(
        rounds="best" if file.estimator and stopped_early else None, missing=file.missing
    )


def _checked(source: Source, rules: Sequence[Rule]) -> Source:
    """The source with rules, if it fits its features."""
    check_features(source.file.booster, source.features, source.name)
    return replace(source, rules=tuple(rules))
