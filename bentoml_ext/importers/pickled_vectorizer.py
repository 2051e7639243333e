"""Pickled vectorizer: the DictVectorizer among pickled custom objects.

The one place that reads a pickle. It admits a DictVectorizer and nothing else: no class of
scikit-learn is loaded, and no code of the file runs.
"""

from __future__ import annotations

import io
import pickle
import re
import reprlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Final, TypeAlias

import msgspec
import numpy as np

from bentoml_ext.errors import ImportRefused

__all__ = ["CUSTOM_OBJECTS", "CustomObjects", "Vectorizer", "read_custom_objects"]

CUSTOM_OBJECTS = "custom_objects.pkl"
CUT_OFF: Final = re.compile(r"thresh|cut.?off|(^|[^a-z])thr([^a-z]|$)")
_MOST_DEEP: Final = 20
"""Tuples in tuples: those of numpy's states are two deep."""
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
        objects = _Unpickler(data).load()
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
    return CustomObjects(_vectorizer_of(found[0]), _cut_offs_of(named))


def _cut_offs_of(named: Mapping[Any, Any]) -> dict[str, Any]:
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


_Load: TypeAlias = Callable[["_Unpickler"], None]

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


def _checked_tuple(load: _Load) -> _Load:
    """Make a tuple, unless tuples stand in it too deep: a hash of it might take forever."""

    def checked(unpickler: _Unpickler) -> None:
        load(unpickler)
        made = unpickler.stack[-1]
        depth = 1 + max((unpickler.depths.get(id(one), (0,))[0] for one in made), default=0)
        if depth > _MOST_DEEP:
            raise ImportRefused(f"Expected plain objects, got nested tuples - at {CUSTOM_OBJECTS}.")
        # With the tuple itself: its id is free for another once it is gone.
        unpickler.depths[id(made)] = depth, made

    return checked


def _checked_build(load: _Load) -> _Load:
    """Give a state to an instance, and to nothing that lives on after the pickle."""

    def checked(unpickler: _Unpickler) -> None:
        made = unpickler.stack[-2]
        if not isinstance(made, _Vectorizer | np.dtype):
            raise ImportRefused(
                f"Expected a DictVectorizer's state, got one of {type(made).__name__} "
                f"- at {CUSTOM_OBJECTS}. Nothing of it was run."
            )
        load(unpickler)

    return checked


_LOADS: Final[dict[int, Any]] = pickle._Unpickler.dispatch
_TUPLES: Final = (pickle.TUPLE, pickle.TUPLE1, pickle.TUPLE2, pickle.TUPLE3)
_LEFT_OUT: Final = (pickle.BYTEARRAY8, pickle.NEXT_BUFFER, pickle.READONLY_BUFFER)
_LEFT_OUT_TOO: Final = (pickle.EXT1, pickle.EXT2, pickle.EXT4, pickle.PERSID, pickle.BINPERSID)


class _Unpickler(pickle._Unpickler):
    """Python's own unpickler: that in C makes room for as many objects as a pickle says."""

    dispatch: ClassVar[dict[int, Any]] = {
        code: load
        for code, load in _LOADS.items()
        if bytes([code]) not in _LEFT_OUT + _LEFT_OUT_TOO
    } | {code[0]: _checked_tuple(_LOADS[code[0]]) for code in _TUPLES}
    dispatch[pickle.BUILD[0]] = _checked_build(_LOADS[pickle.BUILD[0]])
    stack: list[Any]

    def __init__(self, data: bytes) -> None:
        super().__init__(io.BytesIO(data))
        self.depths: dict[int, tuple[int, Any]] = {}

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ADMITTED:
            raise ImportRefused(
                f"Expected a DictVectorizer and nothing else, got '{module:.60}.{name:.60}' "
                f"- at {CUSTOM_OBJECTS}. Nothing of it was run."
            )
        return _ADMITTED[module, name]
