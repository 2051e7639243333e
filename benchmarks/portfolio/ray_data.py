"""Ray Data alone: `map_batches` on one CPU, with the usual way inside it.

    python -m benchmarks.portfolio.ray_data MODEL SOURCE OUTPUT SECONDS

10 000 rows to a call, no dashboard. A hundred rows go first, so that neither the cluster's start
nor the worker's imports count.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import ray

from benchmarks.portfolio.clock import Clock
from benchmarks.portfolio.model import opened, statuses

BATCH_ROWS = 10_000


def main(folder: Path, source: Path, output: Path, seconds: Path) -> None:
    """Score the file into a folder of parts."""

    def score(frame: pd.DataFrame) -> pd.DataFrame:
        model = opened(folder)
        probabilities = model.probabilities(model.rows(frame))
        columns = {
            "id": frame["id"],
            "Status": statuses(probabilities),
            "probability": probabilities,
        }
        return pd.DataFrame(columns)

    def scored(applications: Any) -> Any:
        return applications.map_batches(score, batch_format="pandas", batch_size=BATCH_ROWS)

    # Ray reports usage to its makers by default.
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    ray.init("local", num_cpus=1, include_dashboard=False, _temp_dir=str(output.parent))
    scored(ray.data.read_parquet(str(source)).limit(100)).materialize()
    clock = Clock()
    scored(ray.data.read_parquet(str(source))).write_parquet(str(output))
    clock.write(seconds, pq.read_metadata(source).num_rows)
    ray.shutdown()


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
