"""Block scorer: the one function that scores a block of applications, in any process."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from bentoml_ext.arrays import Margins
from bentoml_ext.decisions.base import no_answer
from bentoml_ext.errors import ConfigError, InvalidApplication
from bentoml_ext.formats.answers import Answers
from bentoml_ext.formats.blocks import Block, Blocks
from bentoml_ext.scoring.scorer import Scorer

__all__ = ["APPLICATION", "REASON", "ROW", "BatchScorer", "Scored"]

ROW, APPLICATION, REASON = "row", "application", "reason"
"""Columns of the file of rejected applications, besides the kept ones."""


@dataclass(frozen=True)
class Scored:
    """A block, scored.

    Args:
        rows: applications in it.
        answers: of those that may be scored: the columns to keep, then the answers'.
        rejected: the others: their index in the block as `row`, the columns to keep, the
            application in JSON, and what is wrong with it.
        first: what is wrong with the first of them, if there is one.
        encode_s, predict_s: seconds until there were rows, and from there to the answers.
    """

    rows: int
    answers: pa.RecordBatch
    rejected: pa.RecordBatch
    first: InvalidApplication | None
    encode_s: float
    predict_s: float


class BatchScorer:
    """Scores blocks of one kind. Not for two threads at once; the scorer may be shared.

    Args:
        scorer: encoder, backend and policy.
        tag: of the model.
        kept: the columns to keep.
        kind: of the blocks.
        first_only: whether it is enough to know the first wrong application of a block.
        flat: as `Answers` has it, for a format without nested columns.

    Raises:
        ConfigError: a column to keep has the name of an answer's column.
    """

    def __init__(
        self,
        scorer: Scorer,
        tag: str,
        kept: pa.Schema,
        kind: type[Blocks[Any]],
        *,
        first_only: bool = False,
        flat: bool = False,
    ) -> None:
        self._first_only = first_only
        self._backend, self._decider = scorer.backend, scorer.decider
        self._answers = Answers(scorer.decider, tag, flat=flat)
        self._blocks = kind(scorer.encoder, kept, first_only=first_only)
        texts = [pa.field(APPLICATION, pa.string()), pa.field(REASON, pa.string())]
        self.schema = pa.schema([*kept, *self._answers.schema])
        self.rejected_schema = pa.schema([pa.field(ROW, pa.int64()), *kept, *texts])
        for schema in (self.schema, self.rejected_schema):
            if twice := [name for name in kept.names if schema.names.count(name) > 1]:
                raise ConfigError(
                    "Expected columns to keep that the output does not have itself, got "
                    f"'{twice[0]}' - at --keep. Rename it in the input."
                )

    def score(self, block: Block) -> Scored:
        """The answers to a block, and what is wrong in it.

        Raises:
            InvalidApplication: as `ColumnEncoder.encode`, without an index: it is the columns.
            BackendError: the backend's library refused the rows.
        """
        start = time.perf_counter()
        (rows, wrong), kept = self._blocks.encode(block)
        between = time.perf_counter()
        margins, wrong = self._sound(self._backend.margins(rows), wrong)
        answers = self._answers.batch(margins)
        rejected = self._rejected(block, wrong, kept)
        if wrong:
            whole = len(margins) + len(rejected)
            good = np.delete(np.arange(whole), rejected.column(ROW).to_numpy())
            kept = [column.take(pa.array(good)) for column in kept]
        return Scored(
            rows=len(margins) + len(rejected),
            answers=pa.RecordBatch.from_arrays([*kept, *answers.columns], schema=self.schema),
            rejected=rejected,
            first=wrong[0] if wrong else None,
            encode_s=between - start,
            predict_s=time.perf_counter() - between,
        )

    def _sound(
        self, margins: Margins, wrong: list[InvalidApplication]
    ) -> tuple[Margins, list[InvalidApplication]]:
        """The margins that have an answer; the others' applications are wrong, too."""
        # The first wrong application says enough; the others have no place then.
        if (self._first_only and wrong) or not (lost := self._decider.lost(margins)).any():
            return margins, wrong
        bad = {error.index or 0 for error in wrong}
        good = np.delete(np.arange(len(margins) + len(bad)), sorted(bad))
        more = [no_answer().at(place) for place in good[lost].tolist()]
        return margins[~lost], sorted([*wrong, *more], key=lambda error: error.index or 0)

    def _rejected(
        self, block: Block, wrong: list[InvalidApplication], kept: list[pa.Array]
    ) -> pa.RecordBatch:
        reasons: dict[int, list[str]] = {}
        for error in wrong:
            reasons.setdefault(error.index or 0, []).append(error.reason)
        indices = list(reasons)
        rows = pa.array(indices, pa.int64())
        columns = [
            rows,
            *(column.take(rows) for column in kept),
            pa.array(self._blocks.texts(block, indices) if wrong else [], pa.string()),
            pa.array(["; ".join(each) for each in reasons.values()], pa.string()),
        ]
        return pa.RecordBatch.from_arrays(columns, schema=self.rejected_schema)
