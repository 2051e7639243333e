"""Arithmetic: the sums of a number's step, for one number and for many, with the same bits."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from ctypes import c_float
from functools import cache
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from bentoml_ext.encoders.steps import Number

__all__ = ["on_many", "on_one", "undone"]

Doubles = npt.NDArray[np.float64]

_ONE: Final[Mapping[str, Callable[[float, float], float]]] = {
    "add": operator.add,
    "subtract": operator.sub,
    "multiply": operator.mul,
    "divide": operator.truediv,
}
_MANY: Final[Mapping[str, Any]] = {
    "add": np.add,
    "subtract": np.subtract,
    "multiply": np.multiply,
    "divide": np.divide,
}

_OPPOSITE: Final[Mapping[str, str]] = {
    "add": "subtract",
    "subtract": "add",
    "multiply": "divide",
    "divide": "multiply",
}


@cache
def on_one(step: Number) -> Callable[[float], float]:
    """A function from a number to what the step makes of it, both float64."""
    sums = [(_ONE[one.operation], one.operand) for one in step.sums]
    low, high, single = step.low, step.high, step.single

    def call(value: float) -> float:
        number = float(value)
        # Each result of a float64 sum of two float32 rounds to what a float32 sum gives.
        if single:
            number = c_float(number).value
        for operation, operand in sums:
            number = operation(number, operand)
            if single:
                number = c_float(number).value
        if low is not None and number < low:
            number = low
        if high is not None and number > high:
            number = high
        return number

    return call


def on_many(step: Number, numbers: npt.NDArray[Any]) -> Doubles:
    """What the step makes of numbers: float64, (n,). NaN stays NaN.

    Args:
        step: of their field.
        numbers: (n,), of any type of numbers; left as they are.
    """
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        made: Doubles = _rounded(step, numbers.astype(np.float64))
        for one in step.sums:
            made = _rounded(step, _MANY[one.operation](made, one.operand))
        if step.low is not None:
            made = np.where(made < step.low, step.low, made)
        if step.high is not None:
            made = np.where(made > step.high, step.high, made)
    return made


def undone(step: Number, cells: npt.NDArray[Any]) -> Doubles:
    """Numbers that the step turns into these cells, or next to them: float64, (n,)."""
    made: Doubles = cells.astype(np.float64)
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        for one in reversed(step.sums):
            made = _MANY[_OPPOSITE[one.operation]](made, one.operand)
    return made


def _rounded(step: Number, numbers: Doubles) -> Doubles:
    return numbers.astype(np.float32).astype(np.float64) if step.single else numbers
