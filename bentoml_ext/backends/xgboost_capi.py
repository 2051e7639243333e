"""XGBoost C API: the function behind `Booster.inplace_predict`, without the Python around it.

A call of the Python method with a few rows takes 170 us. 130 of them go to kinds of data that rows
never are, to JSON that is always the same and to a new matrix. The function is public
in XGBoost's C API. The way to its library and to a booster's handle is not promised:
tests/backends/test_xgboost_capi.py fails when either moves.
"""

from __future__ import annotations

import ctypes
import json
import math
import threading
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import xgboost

from bentoml_ext.arrays import Margins, Rows

__all__ = ["DensePredictor"]

CONFIG = json.dumps(
    {
        "type": 1,  # the margin
        "training": False,
        "iteration_begin": 0,
        "iteration_end": 0,  # every tree
        "missing": math.nan,
        "strict_shape": False,
        "cache_id": 0,
    }
).encode()

_library: Any = xgboost.core._LIB


class DensePredictor:
    """Margins of rows by `XGBoosterPredictFromDense`; for several threads at once.

    Args:
        booster: of trees that are summed in place; kept.
    """

    def __init__(self, booster: xgboost.Booster) -> None:
        self._booster = booster
        self._width = booster.num_features()
        self._of_thread = threading.local()

    def margins(self, rows: Rows) -> Margins:
        """Margins of rows, the bits of `Booster.inplace_predict`.

        Args:
            rows: float32, (n, n_features), n at least 1.

        Returns:
            float32, (n, n_margins).

        Raises:
            XGBoostError: another number of features, or the library's own error.
        """
        rows = np.ascontiguousarray(rows, np.float32)
        if not hasattr(self._of_thread, "call"):
            self._of_thread.call = _Call(self._booster)
        found: Margins = self._of_thread.call.predicted(self._interface(rows), len(rows))
        return found

    def single(self, row: Rows, margins: Margins) -> Callable[[], None]:
        """As `Backend.single`."""
        call, interface = _Call(self._booster), self._interface(row)
        # A cell takes a tenth of the time of `memmove`, and there are few.
        cells, places = margins.data.cast("B").cast("f"), range(margins.size)

        # The default keeps the row, whose memory the library reads.
        def fill(_: Rows = row) -> None:
            call(interface)
            for place in places:
                cells[place] = call.found[place]

        return fill

    def _interface(self, rows: Rows) -> bytes:
        """Place, shape and type of rows, in numpy's array interface."""
        if rows.ndim != 2 or rows.shape[1] != self._width:
            raise xgboost.core.XGBoostError(
                f"Expected {self._width} features, got shape {rows.shape}."
            )
        place = (rows.ctypes.data, *rows.shape, rows.dtype.str.encode())
        return b'{"data": [%d, true], "shape": [%d, %d], "typestr": "%b", "version": 3}' % place


class _Call:
    """Handle, proxy and outputs that calls reuse. Not for two threads at once."""

    def __init__(self, booster: xgboost.Booster) -> None:
        # A handle alone does not keep the booster alive.
        self._booster, self._handle = booster, booster.handle
        self._proxy = ctypes.c_void_p()
        _check(_library.XGProxyDMatrixCreate(ctypes.byref(self._proxy)))
        weakref.finalize(self, _library.XGDMatrixFree, self._proxy)
        self._shape = ctypes.POINTER(ctypes.c_uint64)()
        self._dimensions = ctypes.c_uint64()
        self.found = ctypes.POINTER(ctypes.c_float)()
        outputs = (self._shape, self._dimensions, self.found)
        self._outputs = tuple(map(ctypes.byref, outputs))

    def __call__(self, interface: bytes) -> None:
        """Predict; `found` points to the margins until this thread's next call."""
        _check(
            _library.XGBoosterPredictFromDense(
                self._handle, interface, CONFIG, self._proxy, *self._outputs
            )
        )

    def predicted(self, interface: bytes, n: int) -> Margins:
        """A copy of the margins, (n, n_margins)."""
        self(interface)
        each = math.prod(self._shape[1 : self._dimensions.value])
        margins = np.empty((n, each), np.float32)
        ctypes.memmove(margins.ctypes.data, self.found, margins.nbytes)
        return margins


def _check(code: int) -> None:
    if code:
        raise xgboost.core.XGBoostError(_library.XGBGetLastError().decode())
