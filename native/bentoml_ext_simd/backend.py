"""Backend: scores with the kernel in C."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np

from bentoml_ext.arrays import Margins, Rows
from bentoml_ext.backends import Backend
from bentoml_ext.errors import BackendError
from bentoml_ext_simd.kernel import Forest

__all__ = ["STRATEGY", "SimdBackend"]

STRATEGY: Final = "BENTOML_EXT_SIMD"
"""Environment variable that forces a strategy: scalar, avx2, avx512 or neon. Unset, the best."""


class SimdBackend(Backend):
    """The trees of a file, added up in the booster's own order on one thread."""

    name = "simd"
    filename = "trees.simd"

    def __init__(self, path: Path, strategy: str | None = None) -> None:
        strategy = strategy or os.environ.get(STRATEGY) or None
        try:
            self._forest = Forest(path.read_bytes(), strategy)
        except ValueError as error:
            raise BackendError(f"{str(error).rstrip('.')}, got another one - at {path}.") from error

    def margins(self, rows: Rows) -> Margins:
        margins = np.empty((len(rows), self._forest.n_targets), np.float32)
        try:
            self._forest.margins(rows, margins)
        except ValueError as error:
            raise BackendError(
                f"Expected rows for this forest, got {rows.dtype} {rows.shape} - at the kernel."
            ) from error
        return margins

    def single(self, row: Rows, margins: Margins) -> Callable[[], None]:
        return self._forest.bind(row, margins)

    def __str__(self) -> str:
        return f"{self.name} ({self._forest.strategy})"

    def describe(self) -> dict[str, Any]:
        return {"strategy": self._forest.strategy}
