"""Importer: models saved in other ways become bundles.

A model of the course is a booster with a pickled DictVectorizer beside it. This is the one place
that reads a pickle, and it admits a DictVectorizer and nothing else: no class of scikit-learn is
loaded, and no code of the file runs.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import bentoml
import msgspec
import numpy as np

from bentoml_ext.encoder import Encoder, Filler
from bentoml_ext.errors import ExportRefused, FeatureMismatch, ImportRefused
from bentoml_ext.tags import tag_of

if TYPE_CHECKING:
    import xgboost

__all__ = [
    "Imported",
    "encoder_of_pickle",
    "find",
    "from_file",
    "from_store",
    "read_booster",
    "read_features",
]

COURSE_MODULES = ("bentoml.xgboost", "_bentoml_impl.frameworks.xgboost")
BOOSTER_FILES = ("saved_model.ubj", "saved_model.json")
BOOSTER_SUFFIXES = (".json", ".ubj")
CUSTOM_OBJECTS = "custom_objects.pkl"
VECTORIZER_MODULES = (
    "sklearn.feature_extraction._dict_vectorizer",
    "sklearn.feature_extraction.dict_vectorizer",
)


@dataclass(frozen=True)
class Imported:
    """What was found, ready for `bentoml_ext.save_model`.

    Args:
        model: Booster or scikit-learn estimator of XGBoost.
        encoder: application to row.
        origin: where it came from, for the new version's labels.
    """

    model: xgboost.Booster | xgboost.XGBModel
    encoder: Encoder
    origin: dict[str, str] = field(default_factory=dict)


def find(
    source: str, features: Path | None, *, null: Filler | None = None, absent: Filler = "zero"
) -> Imported:
    """What `source` names: a booster file, or a tag in the model store.

    Args:
        source: a path that ends in .json or .ubj, else a tag.
        features: for a file, that of its feature names.
        null, absent: as `from_store` and `from_file`.

    Raises:
        ImportRefused, NotFound, FeatureMismatch, ConfigError: as those.
    """
    path = Path(source)
    if path.suffix not in BOOSTER_SUFFIXES:
        if features is not None:
            raise ImportRefused("Expected --features for a booster file alone, got it for a tag.")
        return from_store(source, null)
    if not path.is_file():
        raise ImportRefused(f"Expected a booster file, got none - at {path}.")
    if features is None:
        raise ImportRefused(
            f"Expected the feature names of {path.name}, got none - at --features. "
            "Give a JSON list, or a text file with a name a line, in column order."
        )
    return from_file(path, read_features(features), null=null or "missing", absent=absent)


def from_store(tag: bentoml.Tag | str, null: Filler | None = None) -> Imported:
    """A model that `bentoml.xgboost.save_model(..., custom_objects={...: dv})` stored.

    Args:
        tag: its tag.
        null: what a number that is null becomes; by default what the DictVectorizer makes of one
            that is left out: zero if it is dense, as after `fillna(0)`, missing if it is sparse.

    Raises:
        NotFound: no such model.
        ConfigError: not a tag.
        ImportRefused: another framework's model, no DictVectorizer in it, or anything else in
            the pickle. The message names it.
    """
    stored = bentoml.models.get(tag_of(tag))
    if stored.info.module not in COURSE_MODULES:
        raise ImportRefused(
            f"Expected a model saved by bentoml.xgboost, got one saved by {stored.info.module} "
            f"- at {stored.tag}."
        )
    folder = Path(stored.path)
    if not (folder / CUSTOM_OBJECTS).is_file():
        raise ImportRefused(
            f"Expected a DictVectorizer among the custom objects, got none - at {stored.tag}. "
            "Save it with custom_objects={'DictVectorizer': dv}, or import the booster's file "
            "with --features."
        )
    encoder = encoder_of_pickle((folder / CUSTOM_OBJECTS).read_bytes(), null)
    found = [folder / name for name in BOOSTER_FILES if (folder / name).is_file()]
    if not found:
        raise ImportRefused(f"Expected {BOOSTER_FILES[0]}, got no booster - at {stored.tag}.")
    model_class = getattr(stored.info.options, "model_class", None) or "Booster"
    return Imported(_load(found[0], model_class), encoder, {"imported-from": str(stored.tag)})


def from_file(
    path: Path, features: Sequence[str], *, null: Filler = "missing", absent: Filler = "zero"
) -> Imported:
    """A booster's own file, `.json` or `.ubj`, with the names of its features.

    Args:
        path: the file; its suffix tells XGBoost which of the two it is.
        features: names in column order; `field=category` makes a category.
        null: what a number that is null becomes in the row.
        absent: what a column becomes for which the application has no entry.

    Raises:
        ImportRefused: not a booster.
        FeatureMismatch: a name twice, or a field that is both a number and a category.
    """
    encoder = Encoder(features, null=null, absent=absent)
    return Imported(_load(path, "Booster"), encoder, {"imported-from": path.name})


def read_booster(path: Path) -> xgboost.Booster:
    """A booster of its own file, `.json` or `.ubj`.

    Raises:
        ImportRefused: not a booster.
    """
    booster: xgboost.Booster = _load(path, "Booster")
    return booster


def read_features(path: Path) -> list[str]:
    """Feature names from a file: a JSON list, or a name a line.

    Raises:
        FeatureMismatch: neither, or empty.
    """
    try:
        # Editors of some systems begin a file with a mark.
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise FeatureMismatch(f"Expected feature names, got {error} - at {path}.") from error
    if text.lstrip().startswith("["):
        try:
            names = msgspec.json.decode(text, type=list[str])
        except msgspec.DecodeError as error:
            raise FeatureMismatch(f"Expected a list of names, got {error} - at {path}.") from error
    else:
        names = [line.strip() for line in text.splitlines() if line.strip()]
    if not names:
        raise FeatureMismatch(f"Expected feature names, got none - at {path}.")
    return names


def encoder_of_pickle(data: bytes, null: Filler | None = None) -> Encoder:
    """The encoder of a pickled dictionary of custom objects that holds one DictVectorizer.

    Raises:
        ImportRefused: anything else in the pickle, no or several DictVectorizers, or one whose
            numbers are no floats.
    """
    try:
        objects = _Unpickler(data).load()
    except ImportRefused:
        raise
    except Exception as error:
        raise ImportRefused(f"Expected a pickle, got {error!r} - at {CUSTOM_OBJECTS}.") from error
    # Whatever its key is called: the course spells it in two ways.
    values = objects.values() if isinstance(objects, dict) else [objects]
    found = [value for value in values if isinstance(value, _Vectorizer)]
    if len(found) != 1:
        keys = sorted(map(str, objects)) if isinstance(objects, dict) else [str(type(objects))]
        raise ImportRefused(
            f"Expected one DictVectorizer, got {len(found)} among {keys} - at {CUSTOM_OBJECTS}."
        )
    return _encoder_of(found[0], null)


class _Vectorizer:
    """Stands in for scikit-learn's DictVectorizer: takes its state and runs none of its code."""


class _State(msgspec.Struct):
    """What is used of a DictVectorizer's state; every value of a pickle may be of any type."""

    feature_names_: list[str]
    vocabulary_: dict[str, int]
    dtype: Any = np.float64
    separator: Annotated[str, msgspec.Meta(min_length=1)] = "="
    sparse: bool = True


def _encoder_of(vectorizer: _Vectorizer, null: Filler | None) -> Encoder:
    given = vars(vectorizer)
    if missing := {"feature_names_", "vocabulary_"} - set(given):
        raise ImportRefused(
            f"Expected a fitted DictVectorizer, got one without {sorted(missing)} "
            f"- at {CUSTOM_OBJECTS}."
        )
    try:
        state = msgspec.convert(given, _State)
        dtype = np.dtype(state.dtype)
    except (TypeError, ValueError) as error:
        raise ImportRefused(
            f"Expected a DictVectorizer of texts and numbers, got {error} - at {CUSTOM_OBJECTS}."
        ) from error
    if not np.issubdtype(dtype, np.floating):
        raise ImportRefused(
            f"Expected a DictVectorizer of floats, got dtype {dtype} - at {CUSTOM_OBJECTS}."
        )
    if state.vocabulary_ != {name: i for i, name in enumerate(state.feature_names_)}:
        raise ImportRefused(
            "Expected a DictVectorizer whose vocabulary numbers its feature names, got another "
            f"- at {CUSTOM_OBJECTS}."
        )
    absent: Filler = "missing" if state.sparse else "zero"
    return Encoder(
        state.feature_names_, separator=state.separator, absent=absent, null=null or absent
    )


_ADMITTED: dict[tuple[str, str], Any] = {
    **{(module, "DictVectorizer"): _Vectorizer for module in VECTORIZER_MODULES},
    ("numpy", "float64"): np.float64,
    ("numpy", "float32"): np.float32,
    ("numpy", "dtype"): np.dtype,
    ("builtins", "float"): float,
    # The same in the protocol that Python 2 reads.
    ("__builtin__", "float"): float,
}


class _Unpickler(pickle.Unpickler):
    def __init__(self, data: bytes) -> None:
        super().__init__(io.BytesIO(data))

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ADMITTED:
            raise ImportRefused(
                f"Expected a DictVectorizer and nothing else, got '{module}.{name}' "
                f"- at {CUSTOM_OBJECTS}. Nothing of it was run."
            )
        return _ADMITTED[module, name]


def _load(path: Path, model_class: str) -> Any:
    import xgboost

    estimators = [name for name in xgboost.__all__ if name.startswith("XGB")]
    if model_class not in ("Booster", *estimators):
        raise ImportRefused(f"Expected Booster or an XGB estimator, got '{model_class}'.")
    _check_document(path)
    model = getattr(xgboost, model_class)()
    try:
        model.load_model(path)
    except (xgboost.core.XGBoostError, ValueError, OSError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else repr(error)
        raise ImportRefused(f"Expected a booster, got {reason} - at {path}.") from error
    return model


def _check_document(path: Path) -> None:
    """Refuse what is no whole document: XGBoost crashes the process on a .ubj file that was cut."""
    from bentoml_ext.export import ubjson

    data = path.read_bytes()
    try:
        document = ubjson.decode(data) if path.suffix == ".ubj" else msgspec.json.decode(data)
        if "learner" not in document:
            raise ValueError("no learner")
    except (ExportRefused, ValueError, TypeError, RecursionError) as error:
        reason = str(error).partition(" - at")[0].rpartition("got ")[2]
        raise ImportRefused(f"Expected a booster, got {reason} - at {path}.") from error
