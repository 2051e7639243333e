"""Check: a file of the trainer's own applications and predictions."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from bentoml_ext import files
from bentoml_ext.acceptance.column import INDEX
from bentoml_ext.acceptance.given import Columns, Given, Objects
from bentoml_ext.acceptance.opening import opened
from bentoml_ext.encoders.encoder import Application
from bentoml_ext.errors import UnreadableInput

__all__ = ["Check"]


@dataclass(frozen=True, eq=False)
class Check:
    """Applications, each with what the trainer's own model said of it.

    Args:
        name: of the file, without its folder.
        sha256: its checksum in hex.
        given: the rows.
        prediction: name of the predictions' column, if the user gave it.
    """

    name: str
    sha256: str
    given: Given
    prediction: str | None = None

    def __len__(self) -> int:
        return len(self.given)

    @property
    def columns(self) -> list[str]:
        """Names of all columns but those of an index."""
        return [name for name in self.given.names if not INDEX.fullmatch(name)]

    @classmethod
    def read(cls, path: Path | str, prediction: str | None = None) -> Self:
        """The rows of a Parquet, CSV, NDJSON, JSON or Arrow file, known by its content.

        Args:
            path: of the file; it may be compressed by gzip.
            prediction: name of the column; by default the one that has a prediction's name, or the
                only one without a field.

        Raises:
            OSError: no such file.
            UnreadableInput: damaged, of another format, or without rows; names the place.
        """
        path = Path(path)
        if path.is_dir():
            raise UnreadableInput(
                f"Expected a file of applications with predictions, got a folder - at {path}."
            )
        data = files.read(path)
        sha256 = hashlib.sha256(data).hexdigest()
        return cls(path.name, sha256, opened(data, path), prediction)

    @classmethod
    def of(cls, applications: Sequence[Application], predictions: npt.ArrayLike) -> Self:
        """A check of what is in memory.

        Args:
            applications: as a client sends them.
            predictions: one for each: numbers, labels, or the two columns of predict_proba.

        Raises:
            UnreadableInput: no applications, or not as many predictions.
        """
        said = np.asarray(predictions)
        if not len(applications) or len(applications) != len(said):
            raise UnreadableInput(
                f"Expected a prediction for each application, got {len(applications)} applications "
                f"and {len(said)} predictions - at the check."
            )
        texts = [
            json.dumps(dict(application), default=_item).encode() for application in applications
        ]
        whole = hashlib.sha256(b"\n".join([*texts, json.dumps(said.tolist()).encode()]))
        return cls(
            "memory", whole.hexdigest(), _Joined(Objects(texts), _column(said)), "prediction"
        )


class _Joined(Given):
    """Applications with predictions that stand beside them."""

    def __init__(self, applications: Objects, predictions: Columns) -> None:
        self._applications, self._predictions = applications, predictions
        self.names = [*applications.names, "prediction"]

    def __len__(self) -> int:
        return len(self._applications)

    def applications(self, *which: Any) -> list[Application]:
        return self._applications.applications(*which)

    def batch(self, start: int, stop: int, names: Sequence[str]) -> None:
        return None

    def values(self, name: str) -> Any:
        return self._predictions.values(name)

    def place(self, row: int) -> str:
        return f"application {row}"


def _column(said: npt.NDArray[Any]) -> Columns:
    values = pa.array(said) if said.ndim == 1 else pa.array(said.tolist())
    return Columns(pa.table({"prediction": values}))


def _item(value: Any) -> Any:
    """A number of numpy as Python's."""
    return value.item()
