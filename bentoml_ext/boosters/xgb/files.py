"""Files: what XGBoost itself saves of a model, known by its content and not by its name."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from bentoml_ext import files
from bentoml_ext.boosters.xgb.other_files import SAVE, refuse_others
from bentoml_ext.boosters.xgb.rounds import best_rounds
from bentoml_ext.encoders.steps import Codes
from bentoml_ext.errors import ExportRefused, ImportRefused

if TYPE_CHECKING:
    import xgboost

__all__ = ["BoosterFile", "read_booster"]

WHOLE_TEXTS: Final = (3, 4, 0)
"""Before it XGBoost counts letters where it stores octets, and cuts the texts of categories."""

_ODD_VALUES: Final = (
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    OverflowError,
    RecursionError,
    MemoryError,
    AssertionError,
)

_MOST_CODES: Final = 1_000_000
"""Upper limit on the largest code of a column whose categories the file does not name."""


@dataclass(frozen=True, eq=False)
class BoosterFile:
    """A booster, and what its file says besides the trees.

    Args:
        booster: with all of its trees.
        n_rounds: boosting rounds in the file.
        n_trees: trees in the file.
        n_margins: of a row: one, or one for each class, target or level.
        best: rounds up to the best iteration; None where no others lie behind it.
        estimator: whether a scikit-learn estimator wrote it.
        kind: what XGBoost calls the booster: gbtree, dart or gblinear.
        missing: the estimator's marker for missing; None if its file does not name one.
        features: names of the columns; empty if it has none.
        kinds: XGBoost's types of the columns ("float", "i", "c", ...); empty if it has none.
        categories: of each column, by number, that holds codes: the step that makes them.
        garbled: those whose texts XGBoost did not store whole.
        textless: those whose codes alone it stored, without texts.
        objective: XGBoost's name of it.
        version: XGBoost that wrote it, as "3.2.0".
    """

    booster: xgboost.Booster
    n_rounds: int
    n_trees: int
    n_margins: int
    best: int | None
    estimator: bool
    kind: str
    missing: float | None
    features: tuple[str, ...]
    kinds: tuple[str, ...]
    categories: Mapping[int, Codes]
    garbled: frozenset[int]
    textless: frozenset[int]
    objective: str
    version: str

    @classmethod
    def read(cls, data: bytes, place: str) -> BoosterFile:
        """The booster in the bytes of a file, JSON or UBJSON.

        Args:
            data: the whole file.
            place: its name, for errors.

        Raises:
            ImportRefused: anything else; the message says what it is and the way out.
        """
        document = _document(data, place)
        try:
            return cls._read(data, document, place)
        except ExportRefused as error:
            raise ImportRefused(f"{error} File: {place}.") from error
        except ImportRefused:
            raise
        # XGBoost and Python name a hostile value in a dozen ways; XGBoost's error is a ValueError.
        except _ODD_VALUES as error:
            got = (str(error).strip().splitlines() or [""])[0]
            raise ImportRefused(
                f"Expected a booster, got {type(error).__name__}: {got:.200} - at {place}. {SAVE}"
            ) from error

    @classmethod
    def _read(cls, data: bytes, document: dict[str, Any], place: str) -> BoosterFile:
        from bentoml_ext.boosters.xgb.base_margin import base_margins
        from bentoml_ext.boosters.xgb.document import margins_of, model_of, version_of, version_text
        from bentoml_ext.boosters.xgb.loading import load_booster

        booster = load_booster(data)
        # XGBoost looks at base_score when it first predicts.
        base_margins(booster, document)
        # The file's own: XGBoost's `attributes` asserts that none is empty.
        attributes = document["learner"].get("attributes", {})
        features = tuple(booster.feature_names or ())
        model = model_of(document["learner"]["gradient_booster"])
        encodings = model.get("cats", {}).get("enc", [])
        cut = version_of(document) < WHOLE_TEXTS
        categories = _categories(encodings, booster, features, place)
        return cls(
            booster=booster,
            n_rounds=booster.num_boosted_rounds(),
            n_trees=len(model.get("trees", ())),
            n_margins=margins_of(document["learner"]["learner_model_param"]),
            best=best_rounds(booster),
            estimator="scikit_learn" in attributes,
            kind=str(document["learner"]["gradient_booster"]["name"]),
            missing=_marker(attributes.get("scikit_learn") or "{}"),
            features=features,
            kinds=tuple(booster.feature_types or ()),
            categories=categories,
            garbled=frozenset(c for c, one in enumerate(encodings) if cut and _is_foreign(one)),
            textless=frozenset(
                c for c in categories if c >= len(encodings) or not any(_named(encodings[c]))
            ),
            objective=str(document["learner"]["objective"]["name"]),
            version=version_text(document),
        )

    @cached_property
    def parting(self) -> frozenset[int]:
        """Columns in which some split sends 0 and a missing value different ways."""
        from bentoml_ext.boosters.xgb.splits import parting

        return parting(self.booster)

    @cached_property
    def flags(self) -> frozenset[int]:
        """Columns of pandas' booleans, by their type and their splits."""
        from bentoml_ext.boosters.xgb.splits import of_other_numbers

        typed = [column for column, kind in enumerate(self.kinds) if kind == "i"]
        return frozenset(typed) - of_other_numbers(self.booster, typed).keys()

    @cached_property
    def gaps(self) -> frozenset[int]:
        """Columns of numbers that had missing values in training, as their splits show."""
        from bentoml_ext.boosters.xgb.splits import of_gaps

        return of_gaps(self.booster)


def read_booster(path: Path) -> xgboost.Booster:
    """A booster of its own file, JSON or UBJSON, with all of its trees.

    Raises:
        ImportRefused: not a booster.
    """
    return BoosterFile.read(files.read(path), str(path)).booster


def _document(data: bytes, place: str) -> dict[str, Any]:
    """The decoded file, if it is one of a whole booster."""
    from bentoml_ext.boosters.xgb.document import model_of
    from bentoml_ext.boosters.xgb.loading import decode

    refuse_others(data, place)
    try:
        document = decode(data)
        if not isinstance(document, dict) or "learner" not in document:
            raise ValueError(_what_else(document))
        try:
            model_of(document["learner"]["gradient_booster"])
        except KeyError as error:
            raise ValueError("a configuration without trees") from error
    except _ODD_VALUES as error:
        reason = str(error).partition(" - at")[0].rpartition("got ")[2]
        what = reason if _is_json(data) else "neither JSON nor UBJSON"
        raise ImportRefused(f"Expected a booster, got {what} - at {place}. {SAVE}") from error
    return document


def _is_json(data: bytes) -> bool:
    """Whether a file begins as JSON and UBJSON do, so that the place of a fault says something."""
    return data.lstrip()[:1] in (b"{", b"[")


def _what_else(document: Any) -> str:
    if isinstance(document, list) and document and "nodeid" in str(document[0])[:200]:
        return "a dump of trees, which lacks what a score needs"
    return "no learner"


def _marker(attributes: str) -> float | None:
    """The marker for missing in an estimator's attributes; up to 1.7 they hold its parameters."""
    try:
        missing = json.loads(attributes).get("missing")
    except (ValueError, AttributeError, RecursionError):
        return None
    return float(missing) if isinstance(missing, int | float) and not math.isnan(missing) else None


def _is_foreign(entry: Mapping[str, Any]) -> bool:
    """Whether the texts of a column have letters beyond ASCII."""
    return "offsets" in entry and any(not 0 <= int(octet) < 128 for octet in entry["values"])


def _categories(
    stored: Sequence[Mapping[str, Any]],
    booster: xgboost.Booster,
    features: tuple[str, ...],
    place: str,
) -> dict[int, Codes]:
    """XGBoost's own categories: their texts since 3.1; before, the codes that its trees ask for."""
    kinds = booster.feature_types or []
    codes = [column for column, kind in enumerate(kinds) if kind == "c"]
    if not codes:
        return {}
    named = {c: _named(stored[c]) if c < len(stored) else ((), ()) for c in codes}
    unnamed = [column for column in codes if not any(named[column])]
    # Trees are slow to read: they give the codes only of columns that the file does not name.
    largest = _codes_in_trees(booster, unnamed) if unnamed else {}
    if largest and (most := max(largest.values())) >= _MOST_CODES:
        raise ImportRefused(
            f"Expected codes of categories below {_MOST_CODES:,}, got {most} - at the trees of "
            f"{place}."
        )
    found = {}
    for column, (texts, numbers) in named.items():
        name = features[column] if features else f"f{column}"
        codes_seen = tuple(range(largest[column] + 1)) if column in largest else numbers
        found[column] = Codes(name, column, texts, codes_seen)
    return found


def _named(entry: Mapping[str, Any]) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """Texts or numbers of the categories of one column."""
    values = [int(value) for value in entry.get("values", ())]
    if odd := [value for value in entry.get("values", ()) if value != int(value)]:
        raise ImportRefused(f"Expected categories of texts or whole numbers, got {odd[0]}.")
    if "offsets" not in entry:
        return (), tuple(values)
    offsets = [int(offset) for offset in entry["offsets"]]
    # Bytes of UTF-8, which XGBoost keeps as signed numbers.
    octets = bytes(value % 256 for value in values)
    ends = pairwise(offsets)
    return tuple(octets[start:end].decode("utf-8", "replace") for start, end in ends), ()


def _codes_in_trees(booster: xgboost.Booster, columns: list[int]) -> dict[int, int]:
    """The largest code of each column that a split asks for; -1 where none does."""
    import numpy as np

    from bentoml_ext.boosters.ensemble import Trees
    from bentoml_ext.boosters.xgb.reader import read_ensemble

    trees = read_ensemble(booster).model
    if not isinstance(trees, Trees):
        return dict.fromkeys(columns, -1)
    asking = np.repeat(trees.feature, np.diff(trees.first_code))
    return {column: int(trees.codes[asking == column].max(initial=-1)) for column in columns}
