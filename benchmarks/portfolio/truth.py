"""Truth: the booster's own answer to every application, and the answers that differ."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import xgboost as xgb

from benchmarks.portfolio.model import Model, statuses

__all__ = ["Truth"]

CHUNK_ROWS = 100_000
Column = npt.NDArray[Any]


@dataclass(frozen=True)
class Truth:
    """Rows in order of `id`, by way of DictVectorizer and DMatrix.

    Args:
        ready: file of the float32 rows, (n, n_features).
        columns: id, Status, probability and margin, (n,).
    """

    ready: Path
    columns: dict[str, Column]

    def __len__(self) -> int:
        return len(self.columns["id"])

    @classmethod
    def of(cls, folder: Path, source: Path, ready: Path) -> Truth:
        """Score the applications of a file.

        Args:
            folder: of the model's bundle.
            source: Parquet, with ids from 0 in order.
            ready: where to write the rows, .npy.
        """
        model = Model(folder)
        booster = xgb.Booster({"nthread": 1}, model_file=folder / "booster.ubj")
        rows, probabilities, margins = [], [], []
        for batch in pq.ParquetFile(source).iter_batches(CHUNK_ROWS):
            rows.append(model.rows(batch.to_pandas()).astype(np.float32))
            probabilities.append(model.probabilities(rows[-1]))
            margins.append(booster.predict(xgb.DMatrix(rows[-1]), output_margin=True))
        np.save(ready, np.concatenate(rows))
        probability = np.concatenate(probabilities)
        columns = {
            "id": np.arange(len(probability)),
            "Status": statuses(probability),
            "probability": probability,
            "margin": np.concatenate(margins),
        }
        return cls(ready, columns)

    def differences(self, output: Path, names: tuple[str, ...], rows: int) -> str:
        """What a contestant's answers differ in from these, or nothing.

        Args:
            output: a Parquet file or a folder of them, in any order.
            names: columns that it must have.
            rows: that it must have. More than are known here are counted, but not compared.
        """
        table = pq.read_table(output)
        if missing := {"id", *names}.difference(table.column_names):
            return f"no {', '.join(sorted(missing))}"
        if len(table) != rows:
            return f"{len(table)} rows of {rows}"
        table = table.select(["id", *names]).sort_by("id").slice(0, len(self))
        if not np.array_equal(table["id"].to_numpy(), self.columns["id"][:rows]):
            return "other applications"
        return ", ".join(filter(None, (self._difference(name, table[name]) for name in names)))

    def _difference(self, name: str, column: pa.ChunkedArray) -> str:
        got: Column = column.to_numpy()
        expected = self.columns[name][: len(got)]
        if expected.dtype != np.float32:
            count = int((expected != got).sum())
            return f"{name} of {count} rows" if count else ""
        if got.dtype != np.float32:
            return f"{name} is {got.dtype}"
        places = np.abs(expected.view(np.int32).astype(np.int64) - got.view(np.int32))
        count, most = int((places > 0).sum()), int(places.max(initial=0))
        return f"{name} of {count} rows, by up to {most} ulp" if count else ""
