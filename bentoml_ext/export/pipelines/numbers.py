"""Numbers: scikit-learn's scalers and imputer as ONNX operators, in its own arithmetic.

scikit-learn computes in the type of its rows, and each scaler rounds in a way of its own. Which one
is found by asking the fitted step about a few rows.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from bentoml_ext.errors import ExportRefused
from bentoml_ext.export.graph.builder import GraphBuilder
from bentoml_ext.export.pipelines.tables import Block

__all__ = ["SCALERS", "bounds_of", "imputed", "is_single", "scaled"]

Array = npt.NDArray[Any]
Sum = tuple[str, Array]
"""An operator of ONNX and what is its second operand, float64, (width,)."""

_NUMPY: Final[dict[str, Callable[..., Any]]] = {
    "Sub": np.subtract,
    "Div": np.divide,
    "Mul": np.multiply,
    "Add": np.add,
}


def _standard(step: Any) -> list[Sum]:
    sums = [("Sub", step.mean_)] if step.with_mean else []
    return [*sums, ("Div", step.scale_)] if step.with_std else sums


def _robust(step: Any) -> list[Sum]:
    sums = [("Sub", step.center_)] if step.with_centering else []
    return [*sums, ("Div", step.scale_)] if step.with_scaling else sums


SCALERS: Final[dict[str, Callable[[Any], list[Sum]]]] = {
    "StandardScaler": _standard,
    "RobustScaler": _robust,
    "MinMaxScaler": lambda step: [("Mul", step.scale_), ("Add", step.min_)],
    "MaxAbsScaler": lambda step: [("Div", step.scale_)],
}
"""By the name of the class: what its `transform` does to a dense row."""


def scaled(ops: GraphBuilder, block: Block, step: Any, place: str) -> Block:
    """The output of a fitted scaler for a block of float32 or float64.

    Raises:
        ExportRefused: this scikit-learn computes in a way that is not known.
    """
    sums = SCALERS[type(step).__name__](step)
    bounds = bounds_of(step)
    narrow = is_single(step, sums, bounds, block.kind, place)
    name = block.name
    for operator, values in sums:
        kind = block.kind if narrow else np.dtype(np.float64)
        wide = Block(name, block.kind, block.width).cast(ops, kind)
        constant = ops.constant(values[None, :], kind)
        result = Block(ops.add(operator, wide.name, constant), kind, block.width)
        name = result.cast(ops, block.kind).name
    if bounds is not None:
        for operator, bound in zip(("Less", "Greater"), bounds, strict=True):
            constant = ops.constant(bound, block.kind)
            name = ops.add("Where", ops.add(operator, name, constant), constant, name)
    return Block(name, block.kind, block.width)


def bounds_of(step: Any) -> tuple[float, float] | None:
    """The bounds to which the step clips its result."""
    if not getattr(step, "clip", False):
        return None
    return getattr(step, "feature_range", (-1.0, 1.0))


def is_single(
    step: Any,
    sums: Sequence[Sum],
    bounds: tuple[float, float] | None,
    kind: np.dtype[Any],
    place: str,
) -> bool:
    """Whether the step rounds its operands to the type of its rows, as float32 sums do.

    Args:
        step: fitted.
        sums: as `SCALERS` has them.
        bounds: as `bounds_of` has them.
        kind: float32 or float64, of the rows.
        place: where it stands, for errors.

    Raises:
        ExportRefused: this scikit-learn computes in a way that is not known.
    """
    random = np.random.default_rng(0)
    rows = random.normal(size=(200, step.n_features_in_)) * 10.0 ** random.integers(-3, 7, (200, 1))
    rows = rows.astype(kind)
    with warnings.catch_warnings(action="ignore"):
        # A DataFrame, if the step's output was set so.
        expected = np.asarray(step.transform(rows.copy()))
    for narrow in (True, False):
        got = rows
        for operator, values in sums:
            operand = values.astype(kind) if narrow else values
            got = _NUMPY[operator](got, operand).astype(kind)
        if bounds is not None:
            got = np.clip(got, *(np.asarray(bound, kind) for bound in bounds))
        if got.dtype == expected.dtype and np.array_equal(got, expected):
            return narrow
    raise ExportRefused(
        f"Expected arithmetic of {type(step).__name__} that is known, got another - at {place}."
    )


def imputed(ops: GraphBuilder, block: Block, step: Any, place: str) -> Block:
    """The output of a fitted SimpleImputer for a block of float32 or float64.

    Raises:
        ExportRefused: it adds indicators, or its marker is not a number.
    """
    marker = step.missing_values
    if step.add_indicator or not isinstance(marker, int | float | np.number):
        raise ExportRefused(
            f"Expected a SimpleImputer without indicators whose missing value is a number, got "
            f"add_indicator={step.add_indicator}, missing_values={marker!r} - at {place}."
        )
    try:
        fill = np.asarray(step.statistics_, np.float64)
    except ValueError as error:
        raise ExportRefused(f"Expected numbers to fill in, got {error} - at {place}.") from error
    if np.isnan(marker):
        missing = ops.add("IsNaN", block.name)
    else:
        missing = ops.add("Equal", block.name, ops.constant(marker, block.kind))
    name = ops.add("Where", missing, ops.constant(fill[None, :], block.kind), block.name)
    # A column in which nothing was known has no number to fill in: scikit-learn drops it.
    kept = np.flatnonzero(~np.isnan(fill)).tolist()
    return Block(name, block.kind, block.width).columns(ops, kept)
