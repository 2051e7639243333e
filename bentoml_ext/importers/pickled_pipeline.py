"""Pickled pipeline: a Pipeline of scikit-learn in a pickle, of joblib or not.

The unpickler admits the classes of known steps, XGBoost's estimators, and numpy's arrays and
numbers. It finds no other class or function. It makes arrays itself, and calls nothing of others.
"""

from __future__ import annotations

import bz2
import importlib
import io
import lzma
import math
import pickle
import warnings
import zlib
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Final

import numpy as np
import numpy.typing as npt

from bentoml_ext import files
from bentoml_ext.errors import ImportRefused
from bentoml_ext.importers.unpickler import Unpickler
from bentoml_ext.preprocessing.functions import FUNCTIONS

__all__ = ["is_pickled", "read_pickled_pipeline"]

_UNPACKERS: Final[Sequence[tuple[bytes, Callable[[], Any]]]] = (
    (b"x", zlib.decompressobj),
    (b"\x1f\x8b", lambda: zlib.decompressobj(zlib.MAX_WBITS | 16)),
    (b"BZh", bz2.BZ2Decompressor),
    (b"\xfd7zXZ", lzma.LZMADecompressor),
    (b"]\x00\x00", lzma.LZMADecompressor),
)
"""By their first bytes: what joblib packs a pickle by."""

_PREPROCESSING: Final = {
    "_data": "StandardScaler RobustScaler MinMaxScaler MaxAbsScaler Binarizer PowerTransformer "
    "QuantileTransformer",
    "_discretization": "KBinsDiscretizer",
    "_encoders": "OneHotEncoder OrdinalEncoder",
    "_function_transformer": "FunctionTransformer",
    "_label": "LabelEncoder",
    "_target_encoder": "TargetEncoder",
}
_SELECTION: Final = {
    "_variance_threshold": "VarianceThreshold",
    "_univariate_selection": "SelectKBest SelectPercentile SelectFpr SelectFdr SelectFwe "
    "GenericUnivariateSelect f_classif f_regression chi2",
    "_mutual_info": "mutual_info_classif mutual_info_regression",
    "_from_model": "SelectFromModel",
    "_rfe": "RFE RFECV",
    "_sequential": "SequentialFeatureSelector",
}

_CLASSES: Final = {
    **{f"sklearn.preprocessing.{module}": names for module, names in _PREPROCESSING.items()},
    **{f"sklearn.feature_selection.{module}": names for module, names in _SELECTION.items()},
    "sklearn.compose._column_transformer": "ColumnTransformer make_column_selector "
    "_RemainderColsList",
    "sklearn.feature_extraction._dict_vectorizer": "DictVectorizer",
    "sklearn.impute._base": "SimpleImputer MissingIndicator",
    "sklearn.pipeline": "Pipeline FeatureUnion",
    "xgboost.core": "Booster",
    "xgboost.sklearn": "XGBClassifier XGBRegressor XGBRanker XGBRFClassifier XGBRFRegressor",
}
"""What a pickle may name of other packages: the classes of known steps, and scores of selectors."""

ADMITTED: Final = frozenset(
    (module, name) for module, names in _CLASSES.items() for name in names.split()
)


def is_pickled(data: bytes) -> bool:
    """Whether a file may be a pickle, by its first bytes."""
    return data[:1] == b"\x80" or any(data.startswith(begin) for begin, _ in _UNPACKERS)


def read_pickled_pipeline(data: bytes, place: str) -> Any:
    """The object in a pickle.

    Args:
        data: of a file that pickle, cloudpickle or joblib wrote.
        place: its name, for errors.

    Raises:
        ImportRefused: the pickle names another class, is damaged, or unpacks to too much.
    """
    data = _unpacked(data, place)
    try:
        with warnings.catch_warnings(action="ignore"):
            return _PipelineUnpickler(io.BytesIO(data), place).load()
    except ImportRefused:
        raise
    except Exception as error:
        got = f"{type(error).__name__}: {error}"
        raise ImportRefused(f"Expected a pickled pipeline, got {got:.200} - at {place}.") from error


def _unpacked(data: bytes, place: str) -> bytes:
    for begin, unpacker in _UNPACKERS:
        if data.startswith(begin):
            try:
                found: bytes = unpacker().decompress(data, files.MOST_BYTES + 1)
            except (OSError, EOFError, zlib.error, lzma.LZMAError) as error:
                raise ImportRefused(f"Expected a pickle, got {error} - at {place}.") from error
            if len(found) > files.MOST_BYTES:
                raise ImportRefused(
                    f"Expected at most {files.MOST_BYTES:,} bytes when unpacked, got more "
                    f"- at {place}."
                )
            return found
    return data


class _Wrapper:
    """Stands in for joblib's wrapper of an array, whose bytes follow in the file."""

    subclass: Any = None
    shape: tuple[int, ...] = ()
    order = "C"
    dtype: Any = None
    allow_mmap = False
    numpy_array_alignment_bytes: int | None = None


class _Arrays:
    """Stands in for numpy's class of arrays, which a pickle names and does not call."""


def _empty(*_: Any) -> Any:
    """An array that its state then fills."""
    return np.empty(0)


def _of_octets(
    octets: Any, dtype: Any, shape: tuple[int, ...], order: str = "C"
) -> npt.NDArray[Any]:
    """An array of its bytes, as protocol 5 has it."""
    found = np.frombuffer(bytes(octets), _checked(dtype, "fiubSU"))
    return found.reshape(shape, order="F" if order == "F" else "C").copy(order="K")


def _number(dtype: Any, octets: bytes) -> Any:
    """A number of numpy."""
    return np.frombuffer(octets, _checked(dtype, "fiub"), 1)[0]


def _checked(dtype: Any, kinds: str) -> np.dtype[Any]:
    """The type, if it is a plain one of some kinds."""
    is_plain = isinstance(dtype, np.dtype) and dtype.fields is None and dtype.subdtype is None
    if not is_plain or dtype.kind not in kinds:
        raise ImportRefused(f"Expected numbers and texts, got {dtype!r:.60} - at an array.")
    found: np.dtype[Any] = dtype
    return found


def _check_state(state: Any) -> None:
    """Refuse the state of an array that does not hold as much as it says."""
    _, shape, dtype, _, cells = state
    is_object = _checked(dtype, "fiubSUO").kind == "O"
    size = math.prod(map(int, shape)) * (1 if is_object else dtype.itemsize)
    if not isinstance(cells, list if is_object else bytes) or len(cells) != size:
        raise ImportRefused(f"Expected {size} cells or bytes, got others - at an array of {shape}.")


def _octets(given: Any = b"", encoding: str = "latin1") -> bytearray:
    """The bytes that a pickle has, and never as many zeros as a number says."""
    return bytearray(_encoded(given, encoding) if isinstance(given, str) else bytes(given[:]))


def _encoded(text: str, encoding: str) -> bytes:
    if encoding != "latin1":
        raise ImportRefused(f"Expected latin1, got {encoding!r:.40} - at the pickle.")
    return text.encode("latin1")


_OWN: Final[dict[tuple[str, str], Any]] = {
    ("joblib.numpy_pickle", "NumpyArrayWrapper"): _Wrapper,
    ("numpy", "ndarray"): _Arrays,
    ("_codecs", "encode"): _encoded,
    **{
        (f"numpy.{core}.multiarray", name): made
        for core in ("core", "_core")
        for name, made in (("_reconstruct", _empty), ("scalar", _number))
    },
    **{(f"numpy.{core}.numeric", "_frombuffer"): _of_octets for core in ("core", "_core")},
    **{("numpy", name): getattr(np, name) for name in ("dtype", "bool_", "str_")},
    **{
        ("numpy", f"{kind}{bits}"): getattr(np, f"{kind}{bits}")
        for kind in ("int", "uint", "float")
        for bits in (16, 32, 64)
    },
    **{
        (module, kind.__name__): kind
        for module in ("builtins", "__builtin__")
        for kind in (bool, int, float, str, slice, object)
    },
    ("builtins", "bytearray"): _octets,
    ("__builtin__", "bytearray"): _octets,
}
"""What stands for names of numpy, joblib and Python."""


_FUNCTIONS: Final = {("numpy", function.__name__): function for function in FUNCTIONS}
"""What a FunctionTransformer may hold; nothing of a pickle calls it."""

_CALLED: Final = frozenset(map(id, _OWN.values()))
"""What a pickle may call; it makes any other object without a call, and fills its state in."""


_REDUCE: Final[Any] = pickle._Unpickler.dispatch[pickle.REDUCE[0]]


class _PipelineUnpickler(Unpickler):
    """Admits what a Pipeline is made of."""

    def __init__(self, file: io.BytesIO, place: str) -> None:
        super().__init__(file)
        self.place, self._source = place, file

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in _OWN:
            return _OWN[module, name]
        if (module, name) in _FUNCTIONS:
            return _FUNCTIONS[module, name]
        if (module, name) in ADMITTED:
            return getattr(importlib.import_module(module), name)
        raise ImportRefused(
            f"Expected a Pipeline of known steps and nothing else, got '{module:.60}.{name:.60}' "
            f"- at {self.place}. Nothing of it was run. Where you trust it, load it in Python and "
            "hand it to `bentoml_ext.save_model(NAME, pipeline, example=FRAME)`."
        )

    def may_build(self, made: Any) -> bool:
        kind = type(made)
        is_own = isinstance(made, _Wrapper | np.dtype | np.ndarray)
        return is_own or (kind.__module__, kind.__name__) in ADMITTED

    def load_build(self) -> None:
        if isinstance(self.stack[-2], np.ndarray):
            _check_state(self.stack[-1])
        super().load_build()
        if isinstance(made := self.stack[-1], _Wrapper):
            self.stack[-1] = self._array(made)

    def load_reduce(self) -> None:
        """Call what a pickle may call."""
        if id(called := self.stack[-2]) not in _CALLED:
            name = getattr(called, "__name__", type(called).__name__)
            raise ImportRefused(
                f"Expected a call of numpy's makers of arrays, got one of {name:.60} - at "
                f"{self.place}. Nothing of it was run."
            )
        _REDUCE(self)

    def load_bytearray8(self) -> None:
        """A bytearray, if the file has as many bytes."""
        size = int.from_bytes(self.read(8), "little")
        self._check_size(size)
        self.append(bytearray(self.read(size)))

    dispatch: ClassVar[dict[int, Any]] = {
        code: load
        for code, load in Unpickler.dispatch.items()
        # Those of the oldest protocol, which call a class.
        if bytes([code]) not in (pickle.INST, pickle.OBJ)
    } | {
        pickle.BUILD[0]: load_build,
        pickle.REDUCE[0]: load_reduce,
        pickle.BYTEARRAY8[0]: load_bytearray8,
    }

    def _array(self, wrapper: _Wrapper) -> npt.NDArray[Any]:
        """The array whose bytes follow."""
        if _checked(wrapper.dtype, "fiubSUO").kind == "O":
            found: npt.NDArray[Any] = _PipelineUnpickler(self._source, self.place).load()
            return found
        if wrapper.numpy_array_alignment_bytes is not None:
            self._source.read(self._source.read(1)[0])
        size = math.prod(map(int, wrapper.shape)) * wrapper.dtype.itemsize
        self._check_size(size)
        return _of_octets(self._source.read(size), wrapper.dtype, wrapper.shape, wrapper.order)

    def _check_size(self, size: int) -> None:
        if size > (most := len(self._source.getbuffer())):
            raise ImportRefused(f"Expected at most {most} bytes, got {size} - at {self.place}.")
