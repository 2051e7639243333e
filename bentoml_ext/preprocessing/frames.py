"""Frames: the columns of the user's example, and its rows as a client would send them."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from bentoml_ext.encoders.encoder import Encoder
from bentoml_ext.encoders.field import Application
from bentoml_ext.preprocessing.columns import (
    OTHER,
    SINGLE,
    Column,
    Domain,
    Finite,
    Numeric,
    Odd,
    is_null,
)

__all__ = [
    "applications_of",
    "as_frame",
    "columns_of",
    "domain_of",
    "is_text",
    "kind_of",
    "plain",
    "seen_of",
]

_KINDS: Final = {
    **{name: name for name in ("float64", "float32", "int64", "int32", "int16", "int8", "bool")},
    **{name: name for name in ("uint8", "uint16", "uint32")},
    **{f"Int{bits}": "int64" for bits in (8, 16, 32, 64)},
    **{f"UInt{bits}": "int64" for bits in (8, 16, 32)},
    "Float64": "float64",
    "Float32": "float32",
    "boolean": "bool",
    **{f"int{bits}[pyarrow]": "int64" for bits in (8, 16, 32, 64)},
    **{f"uint{bits}[pyarrow]": "int64" for bits in (8, 16, 32)},
    "double[pyarrow]": "float64",
    "float[pyarrow]": "float32",
    "bool[pyarrow]": "bool",
}
"""numpy's type of what scikit-learn reads a column of pandas as, by the name of the column's."""

_TEXTS: Final = ("object", "str", "string", "string[pyarrow]", "large_string[pyarrow]")


def as_frame(example: Any) -> Any:
    """A DataFrame of pandas, of another library's frame or of a table of Arrow."""
    if hasattr(example, "to_pandas") and not hasattr(example, "iloc"):
        return example.to_pandas()
    return example


def kind_of(series: Any) -> np.dtype[Any] | None:
    """numpy's type of a column of numbers; None of any other column."""
    dtype = series.cat.categories.dtype if str(series.dtype) == "category" else series.dtype
    name = _KINDS.get(str(dtype))
    return None if name is None else np.dtype(name)


def is_text(series: Any) -> bool:
    """Whether a column holds texts and nothing else."""
    if str(series.dtype) == "category":
        return all(isinstance(one, str) for one in series.cat.categories)
    if str(series.dtype) not in _TEXTS:
        return False
    return all(isinstance(one, str) for one in series if not is_null(one))


def domain_of(series: Any) -> Domain:
    """Of a column of texts, as the example has it."""
    values = [value for value in series.unique() if not is_null(value)]
    nulls = [value for value in series.unique() if is_null(value)]
    if None in nulls:
        nulls = [None]
    return Domain(tuple(sorted(values)), nulls[0] if nulls else np.nan, OTHER)


def columns_of(example: Any, domains: dict[str, Domain]) -> tuple[Column, ...]:
    """The columns of a frame, as the first step is given them.

    Args:
        example: pandas DataFrame.
        domains: of its columns of texts.
    """
    return tuple(_column(example[name], domains.get(name)) for name in example)


def _column(series: Any, domain: Domain | None) -> Column:
    name = str(series.name)
    if domain is not None and is_text(series):
        values = domain.values
        return Finite(name, domain, values, np.zeros(len(values), np.bool_))
    kind = kind_of(series)
    if kind is None:
        return Odd(name, _what(series))
    return Numeric(name, kind, (SINGLE,) if kind == np.float32 else ())


def _what(series: Any) -> str:
    if str(series.dtype) not in _TEXTS:
        return str(series.dtype)
    odd = next(value for value in series if not is_null(value) and not isinstance(value, str))
    return f"{type(odd).__name__}, as {odd!r:.40}"


def applications_of(example: Any, encoder: Encoder) -> list[Application]:
    """The rows of a frame as a client would send them."""
    names = [field.name for field in encoder.fields]
    columns = [[plain(value) for value in example[name]] for name in names]
    return [dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True)]


def plain(value: Any) -> Any:
    """A value of a frame as JSON has it."""
    if is_null(value):
        return None
    return value.item() if isinstance(value, np.generic) else value


def seen_of(series: Any) -> tuple[int | float, int | float] | None:
    """The least and the greatest number of a column; whole where all of its numbers are."""
    kind = kind_of(series)
    known = series.dropna()
    if kind is None or kind == np.bool_ or not len(known):
        return None
    numbers = known.to_numpy(np.float64)
    ends = [float(end) for end in (numbers.min(), numbers.max())]
    low, high = [int(end) for end in ends] if np.equal(numbers, numbers.round()).all() else ends
    return (low, high) if np.isfinite(ends).all() else None
