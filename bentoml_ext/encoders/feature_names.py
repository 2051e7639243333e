"""Feature names: the names of a booster's columns, in order."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from bentoml_ext import files
from bentoml_ext.errors import FeatureMismatch

if TYPE_CHECKING:
    import xgboost

__all__ = ["check_features", "read_features"]


def read_features(path: Path) -> list[str]:
    """Feature names from a file: a JSON list, or a name a line.

    Raises:
        FeatureMismatch: neither, or empty.
    """
    try:
        # Editors of some systems begin a file with a mark.
        text = files.read(path, files.MOST_TEXT_BYTES).decode("utf-8-sig")
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


def check_features(booster: xgboost.Booster, features: Sequence[str], place: str) -> None:
    """Refuse features that are not the booster's, in number, or in name where it has names.

    XGBoost admits no `[`, `]` or `<` in a name, so letters and digits alone are compared.

    Args:
        booster: whose columns they are.
        features: names in column order, each once.
        place: where they come from, for errors.

    Raises:
        FeatureMismatch: names the first column that differs.
    """
    if booster.num_features() != len(features):
        raise FeatureMismatch(
            f"Expected {booster.num_features()} features for this booster, got {len(features)} "
            f"- at {place}."
        )
    if len(set(features)) != len(features):
        raise FeatureMismatch(f"Expected every feature name once, got one twice - at {place}.")
    for column, (own, given) in enumerate(zip(booster.feature_names or (), features, strict=False)):
        if own != given and _plain(own) != _plain(given):
            raise FeatureMismatch(
                f"Expected feature '{own}', got '{given}' - at column {column} of {place}."
            )


def _plain(name: str) -> str:
    return re.sub(r"[\W_]", "", name)
