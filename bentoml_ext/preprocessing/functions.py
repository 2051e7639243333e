"""Functions: those of numpy that keep or turn the order of numbers, which is all that trees ask."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

__all__ = ["FUNCTIONS", "is_known_function"]

RISING: Final = (
    "log log1p log2 log10 sqrt cbrt exp exp2 expm1 sinh tanh arcsinh arctan sign floor ceil rint "
    "trunc positive deg2rad rad2deg"
)
TURNING: Final = "absolute fabs square cosh"
"""They fall below 0 and rise above."""

FUNCTIONS: Final[Mapping[Any, bool]] = {
    **{getattr(np, name): False for name in RISING.split()},
    **{getattr(np, name): True for name in TURNING.split()},
}
"""Each function, and whether it turns at 0."""


def is_known_function(step: Any) -> bool:
    """Whether a FunctionTransformer applies one of `FUNCTIONS` and nothing else."""
    is_known = isinstance(step.func, np.ufunc) and step.func in FUNCTIONS
    return is_known and not step.kw_args and not step.validate
