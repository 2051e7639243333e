"""Spark: `pandas_udf` on `local[1]`, with the usual way inside it.

    python -m benchmarks.portfolio.spark_udf MODEL SOURCE OUTPUT SECONDS

Spark's own defaults (10 000 rows to a call, 1 GB of heap) and no dashboard. A hundred rows go
first, so that neither the JVM's start nor the Python worker's imports count.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pandas as pd
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.functions import pandas_udf, struct

from benchmarks.portfolio.clock import Clock
from benchmarks.portfolio.model import NAMES, opened, statuses

SETTINGS = {
    "spark.ui.enabled": "false",
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.log.level": "ERROR",
}


def main(folder: Path, source: Path, output: Path, seconds: Path) -> None:
    """Score the file into a folder of parts."""
    # By default its workers are the PATH's Python.
    os.environ["PYSPARK_PYTHON"] = sys.executable
    builder = SparkSession.builder.master("local[1]")
    for name, value in {**SETTINGS, "spark.local.dir": str(output.parent)}.items():
        builder = builder.config(name, value)
    session = builder.getOrCreate()
    applications = session.read.parquet(str(source))
    rows = applications.count()
    _scored(applications.limit(100), folder).write.format("noop").mode("overwrite").save()
    clock = Clock()
    _scored(session.read.parquet(str(source)), folder).write.parquet(str(output))
    clock.write(seconds, rows)
    session.stop()


def _scored(applications: DataFrame, folder: Path) -> DataFrame:
    def score(frame: pd.DataFrame) -> pd.DataFrame:
        model = opened(folder)
        probabilities = model.probabilities(model.rows(frame))
        return pd.DataFrame({"Status": statuses(probabilities), "probability": probabilities})

    udf = pandas_udf(score, "Status string, probability float")
    return applications.select("id", udf(struct(*NAMES)).alias("scored")).select("id", "scored.*")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
