"""Stored rows: what lets a proof be repeated without the booster, wherever the model is served."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bentoml_ext.arrays import Margins, Predictions, Rows
from bentoml_ext.errors import BundleError

__all__ = ["PROOF_ROWS", "ProofRows"]

PROOF_ROWS = "proof.npy"
PREDICTION = "prediction"
PROBABILITY = "probability"
"""The name in format 2, one for each row."""


@dataclass(frozen=True, eq=False)
class ProofRows:
    """Rows and the booster's own answers to them.

    Args:
        rows: float32, (n, n_features).
        margins: float32, (n, n_targets).
        predictions: float32, (n, m), what is answered: `Booster.predict`'s; None in a bundle of
            format 2 whose margin is not a log-odds.
    """

    rows: Rows
    margins: Margins
    predictions: Predictions | None

    def to_npy(self) -> bytes:
        """proof.npy: one record a row; numbers as float32 in little endian, no objects."""
        kinds = [
            ("row", "<f4", self.rows.shape[1:]),
            ("margin", "<f4", self.margins.shape[1:]),
        ]
        columns = [self.rows, self.margins]
        if self.predictions is not None:
            kinds.append((PREDICTION, "<f4", self.predictions.shape[1:]))
            columns.append(self.predictions)
        records = np.empty(len(self.rows), np.dtype(kinds))
        for (name, *_), column in zip(kinds, columns, strict=True):
            records[name] = column
        file = io.BytesIO()
        np.save(file, records, allow_pickle=False)
        return file.getvalue()

    @classmethod
    def from_npy(cls, data: bytes) -> ProofRows:
        """Read proof.npy.

        Raises:
            BundleError: not such a file; one that holds objects is refused unread.
        """
        try:
            records = np.load(io.BytesIO(data), allow_pickle=False)
            names = records.dtype.names or ()
            if not len(records):
                raise ValueError("no rows")
            stored = [records[name] for name in (PREDICTION, PROBABILITY) if name in names]
            return cls(
                rows=_native(records["row"]),
                margins=_native(records["margin"]),
                predictions=_native(stored[0]).reshape(len(records), -1) if stored else None,
            )
        except (ValueError, IndexError, EOFError, TypeError) as error:
            raise BundleError(
                f"Expected rows of a proof, got {error} - at {PROOF_ROWS}."
            ) from error


def _native(column: npt.NDArray[np.generic]) -> npt.NDArray[np.float32]:
    if column.dtype != np.dtype("<f4"):
        raise ValueError(f"numbers of type {column.dtype}")
    return np.ascontiguousarray(column, np.float32)
