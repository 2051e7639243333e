"""Scores file: the paired scores as Parquet, for whoever goes on in another tool."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from bentoml_ext import files
from bentoml_ext.compare.outcomes import UNKNOWN
from bentoml_ext.compare.paired import Paired
from bentoml_ext.compare.scored import Scored

__all__ = ["write_scores", "write_table"]

GROUP_ROWS: Final = 1_000_000


def write_scores(path: Path, pair: Paired, champion: str, challenger: str) -> None:
    """Write a row for each application that both answer; the file is there when it is whole.

    Args:
        path: of the file.
        pair: the scores.
        champion, challenger: tags, kept in the file's metadata.
    """
    outcomes = pair.champion.outcomes
    table = pa.table(
        {
            "row": np.flatnonzero(pair.answered),
            **_columns("champion", pair.champion),
            **_columns("challenger", pair.challenger),
            "outcome": pa.array(outcomes, mask=outcomes == UNKNOWN),
        }
    ).replace_schema_metadata({"champion": champion, "challenger": challenger})
    write_table(path, table)


def write_table(path: Path, table: pa.Table) -> None:
    """Write a table as Parquet; the file is there when it is whole."""
    with files.replacing(path) as file:
        pq.write_table(table, file, row_group_size=GROUP_ROWS)


def _columns(name: str, scored: Scored) -> dict[str, pa.Array]:
    answers = pa.DictionaryArray.from_arrays(
        pa.array(scored.bands.astype(np.int8)), pa.array(scored.statuses)
    )
    return {
        f"{name}_margin": pa.array(scored.margins),
        f"{name}_probability": pa.array(scored.probabilities),
        f"{name}_answer": answers,
    }
