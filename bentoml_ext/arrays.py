"""The two arrays that everything is said in."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

__all__ = ["Floats", "Ints", "Margins", "Probabilities", "Rows"]

Floats: TypeAlias = npt.NDArray[np.float32]
"""float32 of any shape."""

Ints: TypeAlias = npt.NDArray[np.int64]
"""int64 of any shape."""

Rows: TypeAlias = npt.NDArray[np.float32]
"""float32, (n, n_features), C order, in the order of the encoder's features. NaN is "not given"."""

Margins: TypeAlias = npt.NDArray[np.float32]
"""float32, (n,), log-odds of the positive class."""

Probabilities: TypeAlias = npt.NDArray[np.float32]
"""float32, (n,), between 0 and 1."""
