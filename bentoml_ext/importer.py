"""Importer: models saved in other ways become bundles.

A model of the course is a booster with a pickled DictVectorizer beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import bentoml
import msgspec

from bentoml_ext.encoder import Encoder, Filler
from bentoml_ext.errors import ExportRefused, FeatureMismatch, ImportRefused
from bentoml_ext.pickled import CUSTOM_OBJECTS, encoder_of_pickle
from bentoml_ext.tags import tag_of

if TYPE_CHECKING:
    import xgboost

__all__ = [
    "Imported",
    "find",
    "from_file",
    "from_store",
    "read_booster",
    "read_features",
]

COURSE_MODULES = ("bentoml.xgboost", "_bentoml_impl.frameworks.xgboost")
BOOSTER_FILES = ("saved_model.ubj", "saved_model.json")
BOOSTER_SUFFIXES = (".json", ".ubj")


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
