"""The usual way: pandas, dictionaries, DictVectorizer, and a DMatrix or ONNX Runtime.

    python -m benchmarks.portfolio.usual xgboost|onnx MODEL SOURCE OUTPUT SECONDS

The file is read whole. The dictionaries are made for 100 000 rows at a time, which is no slower and
keeps a million of them (1.5 GB) out of memory. Making the DMatrix counts as predicting.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import cast

import numpy as np
import pandas as pd

from benchmarks.portfolio.clock import Clock
from benchmarks.portfolio.model import Library, Model, statuses

CHUNK_ROWS = 100_000


def main(library: Library, folder: Path, source: Path, output: Path, seconds: Path) -> None:
    """Score the file."""
    model, parts = Model(folder, library), []
    clock = Clock()
    with clock.step("read"):
        frame = pd.read_parquet(source)
    for start in range(0, len(frame), CHUNK_ROWS):
        with clock.step("encode"):
            rows = model.rows(frame[start : start + CHUNK_ROWS])
        with clock.step("predict"):
            parts.append(model.probabilities(rows))
    with clock.step("write"):
        probabilities = np.concatenate(parts)
        columns = {
            "id": frame["id"],
            "Status": statuses(probabilities),
            "probability": probabilities,
        }
        pd.DataFrame(columns).to_parquet(output)
    clock.write(seconds, len(frame))


if __name__ == "__main__":
    main(cast("Library", sys.argv[1]), *map(Path, sys.argv[2:]))
