"""Pickled vectorizer: the DictVectorizer among pickled custom objects.

The unpickler admits a DictVectorizer and nothing else: no class of
scikit-learn is loaded, and no code of the file runs.
"""

from __future__ import annotations

import io
import re
import reprlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Final

import msgspec
import numpy as np

from bentoml_ext.errors import ImportRefused
from bentoml_ext.importers.unpickler import Unpickler

__all__ = ["CUSTOM_OBJECTS", "CustomObjects", "Vectorizer", "cut_offs_of", "read_custom_objects"]

CUSTOM_OBJECTS = "custom_objects.pkl"
CUT_OFF: Final = re.compile(r"thresh|cut.?off|(^|[^a-z])thr([^a-z]|$)")
KINDS: Final = ("float64", "float32", "int64", "int32", "int16", "int8", "uint8", "bool_")
"""Types of numpy that a DictVectorizer's dtype may be."""

VECTORIZER_MODULES = (
    "sklearn.feature_extraction._dict_vectorizer",
    "sklearn.feature_extraction.dict_vectorizer",
)


@dataclass(frozen=True)
class Vectorizer:
    """What is used of a fitted DictVectorizer.

    Args:
        features: its feature names, one for each column.
        separator: what stands between field and category in a name.
        sparse: whether it writes sparse rows.
    """

    features: tuple[str, ...]
    separator: str
    sparse: bool


@dataclass(frozen=True)
class CustomObjects:
    """What is used of the objects that BentoML keeps beside a model.

    Args:
        vectorizer: the one DictVectorizer among them.
        cut_offs: what stands under a key that says that it is a cut-off.
    """

    vectorizer: Vectorizer
    cut_offs: Mapping[str, Any] = field(default_factory=dict)


def read_custom_objects(data: bytes) -> CustomObjects:
    """A pickled dictionary of custom objects that holds one DictVectorizer.

    Raises:
        ImportRefused: anything else in the pickle, no or several DictVectorizers, or one whose
            numbers are not floats.
    """
    try:
        objects = _Unpickler(io.BytesIO(data)).load()
    except ImportRefused:
        raise
    except Exception as error:
        got = f"{type(error).__name__}: {error}"
        raise ImportRefused(f"Expected a pickle, got {got:.200} - at {CUSTOM_OBJECTS}.") from error
    named = objects if isinstance(objects, dict) else {str(type(objects)): objects}
    if odd := [key for key in named if not isinstance(key, str)]:
        raise ImportRefused(
            f"Expected texts as keys, got {type(odd[0]).__name__} - at {CUSTOM_OBJECTS}."
        )
    # Whatever its key is called: the course spells it in two ways.
    found = [value for value in named.values() if isinstance(value, _Vectorizer)]
    if len(found) != 1:
        there = f"{sorted(named)}"
        raise ImportRefused(
            f"Expected one DictVectorizer, got {len(found)} among {there:.200} "
            f"- at {CUSTOM_OBJECTS}."
        )
    return CustomObjects(_vectorizer_of(found[0]), cut_offs_of(named))


def cut_offs_of(named: Mapping[Any, Any]) -> dict[str, Any]:
    """What stands under a key that says that it is a cut-off."""
    return {
        str(key): value
        for key, value in named.items()
        # A flag, as in "use_threshold": True, is not a cut-off.
        if CUT_OFF.search(str(key).casefold()) and not isinstance(value, bool | np.bool_ | None)
    }


class _Vectorizer:
    """Stands in for scikit-learn's DictVectorizer: takes its state and runs none of its code."""


class _State(msgspec.Struct):
    """What is used of a DictVectorizer's state; every value of a pickle may be of any type."""

    feature_names_: list[str]
    vocabulary_: dict[str, int]
    dtype: Any = np.float64
    separator: Annotated[str, msgspec.Meta(min_length=1)] = "="
    sparse: bool = True


def _vectorizer_of(vectorizer: _Vectorizer) -> Vectorizer:
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
            f"Expected a DictVectorizer of floats, got dtype {dtype} - at {CUSTOM_OBJECTS}. It "
            "cuts fractions off, which no encoder here does: train with the default dtype."
        )
    if state.vocabulary_ != {name: i for i, name in enumerate(state.feature_names_)}:
        raise ImportRefused(
            "Expected a DictVectorizer whose vocabulary numbers its feature names, got another "
            f"- at {CUSTOM_OBJECTS}."
        )
    return Vectorizer(tuple(state.feature_names_), state.separator, state.sparse)


def _scalar(dtype: Any, data: bytes) -> Any:
    """A numpy number, as numpy's own pickles make it."""
    if not isinstance(dtype, np.dtype) or dtype.kind not in "fiub":
        raise ImportRefused(f"Expected a number, got {reprlib.repr(dtype)} - at {CUSTOM_OBJECTS}.")
    return np.frombuffer(data, dtype, 1)[0]


_ADMITTED: dict[tuple[str, str], Any] = {
    **{(module, "DictVectorizer"): _Vectorizer for module in VECTORIZER_MODULES},
    **{("numpy", kind): getattr(np, kind) for kind in KINDS},
    ("numpy", "dtype"): np.dtype,
    ("numpy._core.multiarray", "scalar"): _scalar,
    ("numpy.core.multiarray", "scalar"): _scalar,
    ("builtins", "float"): float,
    ("builtins", "int"): int,
    ("builtins", "bool"): bool,
    # The same in the protocol that Python 2 reads.
    ("__builtin__", "float"): float,
    ("__builtin__", "int"): int,
    ("__builtin__", "bool"): bool,
}


class _Unpickler(Unpickler):
    """Admits a DictVectorizer and numbers."""

    place = CUSTOM_OBJECTS

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ADMITTED:
            raise ImportRefused(
                f"Expected a DictVectorizer and nothing else, got '{module:.60}.{name:.60}' "
                f"- at {CUSTOM_OBJECTS}. Nothing of it was run."
            )
        return _ADMITTED[module, name]

    def may_build(self, made: Any) -> bool:
        return isinstance(made, _Vectorizer | np.dtype)
