"""Answers: margins become the columns of an Arrow record batch."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from bentoml_ext.arrays import Margins
from bentoml_ext.decisions.bands import Decider
from bentoml_ext.objectives.logistic import probabilities

__all__ = ["MARGIN", "MODEL", "PROBABILITY", "Answers"]

PROBABILITY = "probability"
MARGIN = "margin"
MODEL = "model"


class Answers:
    """Makes the columns of answers under one policy, of one model.

    Args:
        decider: margins to statuses.
        tag: of the model, for the column `model`; empty for no such column, and no margins.
    """

    def __init__(self, decider: Decider, tag: str = "") -> None:
        self._decider = decider
        self._statuses = pa.array(decider.statuses)
        self._tag = pa.array([tag])
        texts = pa.dictionary(pa.int8(), pa.string())
        fields = [pa.field(decider.policy.key, texts), pa.field(PROBABILITY, pa.float32())]
        if tag:
            fields += [pa.field(MARGIN, pa.float32()), pa.field(MODEL, texts)]
        self.schema = pa.schema(fields)

    def batch(self, margins: Margins) -> pa.RecordBatch:
        """One row for each margin, as `schema` says.

        Args:
            margins: float32, (n,).
        """
        bands = pa.array(self._decider.bands(margins).astype(np.int8))
        columns = [
            pa.DictionaryArray.from_arrays(bands, self._statuses),
            pa.array(probabilities(margins)),
        ]
        if MODEL in self.schema.names:
            codes = pa.array(np.zeros(len(margins), np.int8))
            columns += [pa.array(margins), pa.DictionaryArray.from_arrays(codes, self._tag)]
        return pa.RecordBatch.from_arrays(columns, schema=self.schema)
