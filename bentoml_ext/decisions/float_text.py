"""Float text: the fewest decimal digits that give a float32.

With an exponent below 0.0001 and from 1e16 on, as Python writes a float. numpy writes them so, too,
but some of its releases write a float32 from 1e6 on with an exponent.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from bentoml_ext.arrays import Floats, Ints, Probabilities

__all__ = ["padded_each", "shortest", "shortest_each"]

_EXPONENT_OF_SOME: Final = 1e6
_EXPONENT: Final = 1e16

# numpy writes smaller ones with an exponent.
_LOW, _HIGH = np.float32(0.0001), np.float32(1.0)
_SCALES: Final = 10.0 ** np.arange(7, 13)[:, np.newaxis]
_FOUR: Final = [b"%04d" % number for number in range(10_000)]
# Four digits as they stand inside a number, then as they end it. By Python's own `rstrip`: that of
# numpy 2.0.0 turns b"5000" into b"".
_DIGITS: Final = np.array([*_FOUR, *(digits.rstrip(b"0") for digits in _FOUR)])
_TEXT: Final = np.dtype([("point", "S2"), ("high", "S4"), ("middle", "S4"), ("low", "S4")])

# From here on 8 digits behind the point times a number are no longer exact in float64.
_MANY = np.float32(1e7)
_LARGE_SCALES: Final = 10.0 ** np.arange(9)
_WHOLE: Final = np.array([b"%d" % number for number in range(10_000)])
_PADDED: Final = np.dtype(
    [("sign", "S1"), ("high", "S4"), ("low", "S4"), ("point", "S1"), ("left", "S4"), ("rest", "S6")]
)


def shortest(number: float) -> str:
    """The text of one float32 value."""
    if _EXPONENT_OF_SOME <= abs(number) < _EXPONENT:
        return np.format_float_positional(np.float32(number), trim="0")
    return str(np.float32(number))


def shortest_each(numbers: Probabilities) -> npt.NDArray[np.bytes_]:
    """The texts of many, soon where they lie between 0.0001 and 1.

    There 12 digits behind the point always give a float32, and 7 are never too many. The shortest
    text, if it is shorter, ends in zeros among them. A whole number of up to 12 digits, divided by
    a power of ten, is the float64 nearest to that decimal. Each of the 112 million there has been
    compared with numpy's text.

    Args:
        numbers: float32, (n,), from 0 to 1, or NaN.

    Returns:
        S14, (n,).
    """
    usual = (numbers > _LOW) & (numbers < _HIGH)
    exact = np.where(usual, numbers, _LOW).astype(np.float64)
    decimals = np.rint(exact * _SCALES) / _SCALES
    fewest = (decimals.astype(np.float32) == numbers).argmax(axis=0)
    found = decimals[fewest, np.arange(len(numbers))]
    texts = _texts(np.rint(found * 1e12).astype(np.int64))
    texts[~usual] = numbers[~usual]
    return texts


def padded_each(numbers: Floats) -> npt.NDArray[np.bytes_]:
    """The texts of any numbers, soon where they are usual ones, with NUL where one is shorter.

    From 1 to 10 000 000 up to 8 digits behind the point give a float32; the fewest are taken. Each
    of the 195 million there has been compared with numpy's text.

    Args:
        numbers: float32, any shape, finite.

    Returns:
        S20, the same shape, NUL in front and between, too: JSON text never has one.
    """
    sizes = np.abs(numbers)
    texts = np.zeros(numbers.shape, _PADDED)
    small, large = (sizes > _LOW) & (sizes < _HIGH), (sizes >= _HIGH) & (sizes < _MANY)
    whole = texts.view("S20")
    if small.any():
        parts = np.zeros(np.count_nonzero(small), [("gap", "S1"), ("text", "S19")])
        parts["text"] = shortest_each(sizes[small])
        whole[small] = parts.view("S20")
    if large.any():
        texts[large] = _large(sizes[large])
    texts["sign"][np.signbit(numbers)] = b"-"
    if (others := ~(small | large)).any():
        whole[others] = [shortest(number).encode() for number in numbers[others].tolist()]
    return whole


def _large(sizes: Floats) -> npt.NDArray[np.void]:
    """The parts of texts, but for the sign; float32, (n,), from 1 to `_MANY`."""
    exact = sizes.astype(np.float64)
    digits = np.zeros(len(sizes), np.int64)
    is_open = np.ones(len(sizes), np.bool_)
    for places, scale in enumerate(_LARGE_SCALES):
        scaled = np.rint(exact * scale)
        fits = is_open & ((scaled / scale).astype(np.float32) == sizes)
        digits[fits] = scaled[fits].astype(np.int64) * 10 ** (8 - places)
        is_open &= ~fits
    whole = digits // 10**8
    rest = digits - whole * 10**8
    high, left = whole // 10**4, rest // 10**4
    low, right = whole - high * 10**4, rest - left * 10**4
    texts = np.zeros(len(sizes), _PADDED)
    texts["high"] = np.where(high, _WHOLE.take(high), b"")
    texts["low"] = np.where(high, _DIGITS.take(low), _WHOLE.take(low))
    texts["point"] = b"."
    texts["left"] = np.where(rest, _DIGITS.take(left + 10_000 * (right == 0)), b"0")
    texts["rest"] = _DIGITS.take(right + 10_000)
    return texts


def _texts(trillionths: Ints) -> npt.NDArray[np.bytes_]:
    """S14, (n,): "0." and 12 digits, less the zeros at the end; int64, (n,), from 1e8 to 1e12."""
    high = trillionths // 10**8
    rest = trillionths - high * 10**8
    middle = rest // 10**4
    low = rest - middle * 10**4
    texts = np.empty(len(trillionths), _TEXT)
    texts["point"] = b"0."
    texts["high"] = _DIGITS.take(high + 10_000 * (rest == 0))
    texts["middle"] = _DIGITS.take(middle + 10_000 * (low == 0))
    texts["low"] = _DIGITS.take(low + 10_000)
    return texts.view("S14")
