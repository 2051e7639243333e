"""The floor: XGBoost alone, one call on float32 rows that lie ready in memory.

    python -m benchmarks.portfolio.floor inplace|matrix MODEL ROWS OUTPUT SECONDS

`inplace` is `Booster.inplace_predict`. `matrix` is `Booster.predict`, and counts the making of its
DMatrix as encoding. Nothing is read or written while the clock runs. A hundred rows go first, so
that XGBoost has set itself up.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import xgboost as xgb

from benchmarks.portfolio.clock import Clock


def main(way: str, folder: Path, ready: Path, output: Path, seconds: Path) -> None:
    """Predict the margins of the rows."""
    booster = xgb.Booster({"nthread": 1}, model_file=folder / "booster.ubj")
    rows = np.load(ready)
    booster.inplace_predict(rows[:100], predict_type="margin")
    clock = Clock()
    if way == "inplace":
        with clock.step("predict"):
            margins = booster.inplace_predict(rows, predict_type="margin")
    else:
        with clock.step("encode"):
            matrix = xgb.DMatrix(rows, nthread=1)
        with clock.step("predict"):
            margins = booster.predict(matrix, output_margin=True)
    clock.write(seconds, len(rows))
    pq.write_table(pa.table({"id": np.arange(len(rows)), "margin": margins}), output)


if __name__ == "__main__":
    main(sys.argv[1], *map(Path, sys.argv[2:]))
