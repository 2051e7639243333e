"""Loading: a booster from the bytes of its file, read by this XGBoost as by the one that wrote it.

XGBoost passes over what it does not know, so that one older than the file may score another model.
3.2 loads the dart of 3.4 without its weights and says nothing.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, Final

import numpy as np
import xgboost as xgb

from bentoml_ext.boosters.ensemble import Linear, Trees
from bentoml_ext.boosters.xgb import ubjson
from bentoml_ext.boosters.xgb.document import model_of, version_of, version_text
from bentoml_ext.boosters.xgb.reader import read_model
from bentoml_ext.boosters.xgb.transform import transform_of
from bentoml_ext.errors import ExportRefused
from bentoml_ext.objectives.table import SORTED

__all__ = ["check_loaded", "decode", "load_booster"]

_SORTED_SINCE: Final = (3, 4)
"""XGBoost that puts crossing quantiles in order."""

_LEAF_WEIGHTS_SINCE: Final = (3, 2)
"""XGBoost that stores leaves with several values apart; it crashes on the older form."""

_PYTHON_312_SINCE: Final = (3, 3)


def load_booster(data: bytes) -> xgb.Booster:
    """The booster that a file holds, JSON or UBJSON whatever it is called.

    Args:
        data: the whole file.

    Raises:
        ExportRefused: no booster, one that says what is not known, or one that the XGBoost
            installed here takes for another. The message says which to install.
    """
    document = decode(data)
    # Before XGBoost sees it: an index out of range would crash the process.
    read_model(document)
    _check_vector_leaves(document)
    booster = xgb.Booster()
    try:
        booster.load_model(bytearray(data))
    except (xgb.core.XGBoostError, ValueError, OSError) as error:
        lines = str(error).strip().splitlines() or [repr(error)]
        raise ExportRefused(
            f"Expected a booster for XGBoost {xgb.__version__}, got one of XGBoost "
            f"{version_text(document)}: {lines[0]} - at the booster. {_install(document)}"
        ) from error
    check_loaded(document, booster)
    return booster


def _check_vector_leaves(document: Any) -> None:
    """Refuse trees with a value for every target that XGBoost would end the process over."""
    trees = model_of(document["learner"]["gradient_booster"]).get("trees", ())
    vectors = [tree for tree in trees if int(tree["tree_param"]["size_leaf_vector"]) > 1]
    here = tuple(int(part) for part in xgb.__version__.split(".")[:2])
    if vectors and ("leaf_weights" in vectors[0]) != (here >= _LEAF_WEIGHTS_SINCE):
        wanted = "<3.2" if here >= _LEAF_WEIGHTS_SINCE else ">=3.2"
        raise ExportRefused(
            f"Expected trees that XGBoost {xgb.__version__} reads, got leaves with a value for "
            f"each target as XGBoost {version_text(document)} wrote them - at the booster. "
            f"Install 'xgboost{wanted}', or train the model again by the version installed here."
        )


def decode(data: bytes) -> Any:
    """A document of XGBoost's, JSON or UBJSON; bare NaN as XGBoost up to 3.0 writes it.

    Raises:
        ExportRefused: neither.
    """
    # UBJSON has the type of a length behind the brace, JSON a blank or a quotation mark.
    start = data.lstrip()[:2]
    if start[:1] == b"{" and start[1:] not in (b'"', b" ", b"\n", b"\r", b"\t", b"}"):
        return ubjson.decode(data)
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ExportRefused(f"Expected a model in JSON, got {error} - at the booster.") from error


def check_loaded(document: Any, booster: xgb.Booster) -> None:
    """Compare what the file says with what XGBoost kept of it when it loaded the file.

    Args:
        document: the decoded file.
        booster: loaded from it.

    Raises:
        ExportRefused: they are not the same model; the message says which XGBoost to install.
    """
    kept = ubjson.decode(bytes(booster.save_raw("ubj")))
    if different := _difference(document, kept):
        raise ExportRefused(
            f"Expected an XGBoost that reads this booster as XGBoost {version_text(document)} "
            f"wrote it, got {xgb.__version__}, which takes other {different} from it - at the "
            f"booster. {_install(document)}"
        )


def _difference(document: Any, kept: Any) -> str:
    """What XGBoost took for something else; empty if nothing."""
    before, after = document["learner"], kept["learner"]
    one, other = read_model(document), read_model(kept)
    differ = {
        "trees": not _same_parts(one, other),
        "predictions": before["objective"]["name"] != after["objective"]["name"],
        "base scores": _base_scores(before) != _base_scores(after),
        "base margins of a model without trees": _is_untrained(before)
        and version_of(document)[:2] != version_of(kept)[:2],
        "predictions of quantiles": version_of(document)[:2] >= _SORTED_SINCE
        and _are_mixed_up(kept),
    }
    return ", ".join(what for what, differs in differ.items() if differs)


def _are_mixed_up(kept: Any) -> bool:
    """Whether quantiles that cross are left as they are."""
    n_targets = int(kept["learner"]["learner_model_param"]["num_target"])
    if kept["learner"]["objective"]["name"] != "reg:quantileerror" or n_targets == 1:
        return False
    return transform_of(kept, n_targets) != SORTED


def _same_parts(one: Trees | Linear, other: Trees | Linear) -> bool:
    return type(one) is type(other) and all(
        _same(getattr(one, part.name), getattr(other, part.name)) for part in fields(one)
    )


def _same(one: Any, other: Any) -> bool:
    before, after = np.asarray(one), np.asarray(other)
    # Bytes, so that the sign of zero counts too.
    return before.shape == after.shape and before.tobytes() == after.tobytes()


def _is_untrained(learner: Mapping[str, Any]) -> bool:
    """Whether nothing is added to the base margin, which versions then make differently."""
    model = model_of(learner["gradient_booster"])
    return not len(model.get("trees", model.get("weights", ())))


def _base_scores(learner: Mapping[str, Any]) -> list[float]:
    """As many as the file names: one for all targets up to 3.0, one for each since."""
    found = json.loads(str(learner["learner_model_param"]["base_score"]))
    values = [float(np.float32(value)) for value in (found if isinstance(found, list) else [found])]
    return values[:1] if len(set(values)) == 1 else values


def _install(document: Any) -> str:
    """What to do about a file that this XGBoost does not read as it was written."""
    version = version_of(document)
    if not version:
        return "Save the model again by the XGBoost that made it."
    wanted = f"Install 'xgboost>={'.'.join(map(str, version))}'"
    if version[:2] >= _PYTHON_312_SINCE and sys.version_info < (3, 12):
        wanted += ", which needs Python 3.12 or newer"
    return f"{wanted}, or save the model by an XGBoost of the version installed here."
