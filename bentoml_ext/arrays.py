"""Arrays: the numpy types of rows, margins, probabilities and masks."""

from __future__ import annotations

from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

__all__ = [
    "Bools",
    "Floats",
    "Ints",
    "Margins",
    "Predictions",
    "Probabilities",
    "Rows",
    "block_rows",
]

Floats: TypeAlias = npt.NDArray[np.float32]
"""float32 of any shape."""

Bools: TypeAlias = npt.NDArray[np.bool_]
"""bool of any shape."""

Ints: TypeAlias = npt.NDArray[np.int64]
"""int64 of any shape."""

Rows: TypeAlias = npt.NDArray[np.float32]
"""float32, (n, n_features), C order, in the order of the encoder's features. NaN is "not given"."""

Margins: TypeAlias = npt.NDArray[np.float32]
"""float32, (n, n_margins), always two axes; for a classifier of two classes (n, 1), log-odds."""

Predictions: TypeAlias = npt.NDArray[np.float32]
"""float32, (n, m): what an objective makes of margins; m is n_margins, or 1 for a class."""

Probabilities: TypeAlias = npt.NDArray[np.float32]
"""float32, (n,), between 0 and 1."""

BLOCK_CELLS: Final = 2**22
"""Upper limit of a block of rows: 16 MB."""


def block_rows(width: int, most: int) -> int:
    """Rows of a block, so that a wide one takes no more memory than `BLOCK_CELLS`.

    Args:
        width: columns.
        most: rows of a narrow one.
    """
    return max(1, min(most, BLOCK_CELLS // max(width, 1)))
