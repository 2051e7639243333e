"""Arithmetic: the sums of a number's step, for one number and for many, with the same bits."""

from __future__ import annotations

import operator
import struct
from collections.abc import Callable, Mapping
from ctypes import c_float
from functools import cache
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from bentoml_ext.encoders.field import FLOAT32_MAX
from bentoml_ext.encoders.steps import Number
from bentoml_ext.errors import FeatureMismatch

__all__ = ["holdable", "last_that", "on_many", "on_one", "undone"]

Doubles = npt.NDArray[np.float64]


def _at_least(number: float, bound: float) -> float:
    return bound if number < bound else number


def _at_most(number: float, bound: float) -> float:
    return bound if number > bound else number


def _as_singles(numbers: Doubles, _: float) -> Doubles:
    return numbers.astype(np.float32).astype(np.float64)


_ONE: Final[Mapping[str, Callable[[float, float], float]]] = {
    "add": operator.add,
    "subtract": operator.sub,
    "multiply": operator.mul,
    "divide": operator.truediv,
    "at_least": _at_least,
    "at_most": _at_most,
    "as_single": lambda number, _: c_float(number).value,
}
_MANY: Final[Mapping[str, Any]] = {
    "add": np.add,
    "subtract": np.subtract,
    "multiply": np.multiply,
    "divide": np.divide,
    "at_least": lambda numbers, bound: np.where(numbers < bound, bound, numbers),
    "at_most": lambda numbers, bound: np.where(numbers > bound, bound, numbers),
    "as_single": _as_singles,
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
    if (short := _scaler(step)) is not None:
        return short
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


def _scaler(step: Number) -> Callable[[float], float] | None:
    """The same for the two sums of most scalers, in one expression."""
    if step.single or step.low is not None or step.high is not None or len(step.sums) != 2:
        return None
    (first, a), (second, b) = ((one.operation, one.operand) for one in step.sums)
    if (first, second) == ("subtract", "divide"):
        return lambda value: (value - a) / b
    if (first, second) == ("multiply", "add"):
        return lambda value: value * a + b
    return None


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
            if one.operation not in _OPPOSITE:
                continue
            made = _MANY[_OPPOSITE[one.operation]](made, one.operand)
    return made


@cache
def holdable(step: Number) -> tuple[float, float]:
    """The least and the greatest number of float32's range that float32 can hold after the sums.

    Every sum keeps or turns the order of numbers, so those between the two can be held, too.

    Raises:
        FeatureMismatch: no such number is found.
    """
    call = on_one(step)

    def fits(number: float) -> bool:
        # Not `abs > max`: NaN must not pass.
        return abs(number) <= FLOAT32_MAX and abs(call(number)) <= FLOAT32_MAX

    ends = (-FLOAT32_MAX, FLOAT32_MAX)
    if all(map(fits, ends)):
        return ends
    inside = [number for number in (*undone(step, np.zeros(1)).tolist(), 0.0) if fits(number)]
    if not inside:
        raise FeatureMismatch(
            f"Expected sums that leave a number in the range of float32, got {step.sums!r:.200} "
            f"- at the step of field '{step.field}'."
        )
    low, high = (last_that(fits, inside[0], end) for end in ends)
    return low, high


def last_that(fits: Callable[[float], bool], inside: float, end: float) -> float:
    """The last number that fits, on the way from one that does to an end."""
    if fits(end):
        return end
    # Floats are ordered as their bits are: halve the floats between, and not the numbers.
    near, far = _place(inside), _place(end)
    while abs(far - near) > 1:
        middle = (near + far) // 2
        near, far = (middle, far) if fits(_number_at(middle)) else (near, middle)
    return _number_at(near)


def _place(number: float) -> int:
    """The place of a float64 among all of them, from that of 0.0."""
    (bits,) = struct.unpack("<q", struct.pack("<d", abs(number)))
    return -int(bits) if number < 0 else int(bits)


def _number_at(place: int) -> float:
    (number,) = struct.unpack("<d", struct.pack("<q", abs(place)))
    return -float(number) if place < 0 else float(number)


def _rounded(step: Number, numbers: Doubles) -> Doubles:
    return _as_singles(numbers, 0.0) if step.single else numbers
