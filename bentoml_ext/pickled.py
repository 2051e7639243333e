"""Pickled: the encoder in a pickled DictVectorizer.

The one place that reads a pickle. It admits a DictVectorizer and nothing else: no class of
scikit-learn is loaded, and no code of the file runs.
"""

from __future__ import annotations

import io
import pickle
from typing import Annotated, Any

import msgspec
import numpy as np

from bentoml_ext.encoder import Encoder, Filler
from bentoml_ext.errors import ImportRefused

__all__ = ["CUSTOM_OBJECTS", "encoder_of_pickle"]

CUSTOM_OBJECTS = "custom_objects.pkl"
VECTORIZER_MODULES = (
    "sklearn.feature_extraction._dict_vectorizer",
    "sklearn.feature_extraction.dict_vectorizer",
)


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
