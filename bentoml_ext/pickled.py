"""Pickled: the DictVectorizer among pickled custom objects.

The one place that reads a pickle. It admits a DictVectorizer and nothing else: no class of
scikit-learn is loaded, and no code of the file runs.
"""

from __future__ import annotations

import io
import pickle
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Final

import msgspec
import numpy as np

from bentoml_ext.errors import ImportRefused

__all__ = ["CUSTOM_OBJECTS", "CustomObjects", "Vectorizer", "read_custom_objects"]

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
            numbers are no floats.
    """
    try:
        objects = _Unpickler(data).load()
    except ImportRefused:
        raise
    except Exception as error:
        raise ImportRefused(f"Expected a pickle, got {error!r} - at {CUSTOM_OBJECTS}.") from error
    # Whatever its key is called: the course spells it in two ways.
    named = objects if isinstance(objects, dict) else {str(type(objects)): objects}
    found = [value for value in named.values() if isinstance(value, _Vectorizer)]
    if len(found) != 1:
        raise ImportRefused(
            f"Expected one DictVectorizer, got {len(found)} among {sorted(map(str, named))} "
            f"- at {CUSTOM_OBJECTS}."
        )
    return CustomObjects(_vectorizer_of(found[0]), _cut_offs_of(named))


def _cut_offs_of(named: Mapping[Any, Any]) -> dict[str, Any]:
    return {
        str(key): value
        for key, value in named.items()
        # A flag, as in "use_threshold": True, is no cut-off.
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
            f"Expected a DictVectorizer of floats, got dtype {dtype} - at {CUSTOM_OBJECTS}."
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
        raise ImportRefused(f"Expected a number, got {dtype!r:.60} - at {CUSTOM_OBJECTS}.")
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
