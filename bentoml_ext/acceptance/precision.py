"""Precision: how exactly the numbers of a file were written down, by their digits."""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from bentoml_ext.acceptance.predictions import Predictions, Wide

__all__ = ["FLOAT32_DIGITS", "How", "precisions"]

How: TypeAlias = Literal["bits", "half", "decimals", "digits", "within"]

MOST_DECIMALS: Final = 12
MOST_DIGITS: Final = 9
NEAR_STEP: Final = 0.1
"""Of a step of float32: nine digits are always so near, and of other numbers few are."""

FLOAT32_DIGITS: Final = 6
"""Decimals that every float32 keeps: a user who rounds writes no more of them."""


def precisions(found: Predictions) -> list[tuple[How, int]]:
    """How exactly numbers were written down: what their digits say."""
    theirs = found.numbers.reshape(-1)
    if found.is_half:
        return [("half", 0)]
    with np.errstate(over="ignore"):
        narrow = theirs.astype(np.float32)
    is_narrow = bool((narrow == theirs).all())
    asks_bits = is_narrow or _are_shortest(theirs, narrow)
    made: list[tuple[How, int]] = []
    if asks_bits or _are_near(theirs, narrow):
        made.append(("bits", 0))
    decimals = found.decimals
    if decimals is None:
        decimals = _decimals(theirs, narrow if is_narrow else None)
    if found.is_printed:
        return [*made, ("within", 0)]
    # Eight decimals of a text may be the shortest text of another float32.
    if decimals is not None and decimals <= (FLOAT32_DIGITS if is_narrow else MOST_DECIMALS):
        made.append(("decimals", decimals))
    digits = None if is_narrow else _digits(theirs)
    if digits is not None:
        made.append(("digits", digits))
    if not asks_bits and (decimals is None or decimals > FLOAT32_DIGITS):
        made.append(("within", 0))
    return made


def _are_shortest(theirs: Wide, narrow: npt.NDArray[np.float32]) -> bool:
    """Whether each number is the shortest text of a float32, as pandas and polars write CSV."""
    return all(float(str(one)) == value for one, value in zip(narrow, theirs.tolist(), strict=True))


def _are_near(theirs: Wide, narrow: npt.NDArray[np.float32]) -> bool:
    """Whether each number is a float32 in all but what many digits leave out, as `%.9g` does."""
    return bool((np.abs(theirs - narrow) <= NEAR_STEP * np.spacing(np.abs(narrow))).all())


def _decimals(theirs: Wide, narrow: npt.NDArray[np.float32] | None) -> int | None:
    most = MOST_DECIMALS if narrow is None else FLOAT32_DIGITS
    for places in range(most + 1):
        rounded = np.round(theirs, places)
        same = rounded == theirs if narrow is None else rounded.astype(np.float32) == narrow
        if same.all():
            return places
    return None


def _digits(theirs: Wide) -> int | None:
    size = np.abs(theirs)
    exponent = np.floor(np.log10(np.where(size > 0, size, 1.0)))
    for digits in range(2, MOST_DIGITS + 1):
        scale = 10.0 ** (digits - 1 - exponent)
        if np.allclose(np.rint(theirs * scale) / scale, theirs, rtol=1e-14, atol=0):
            return digits
    return None
