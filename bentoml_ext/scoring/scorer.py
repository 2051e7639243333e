"""Scorer: an encoder, a backend and a decider, ready to answer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from math import isnan
from threading import Lock
from typing import Any, TypeVar

import numpy as np

from bentoml_ext.arrays import Margins, Rows, block_rows
from bentoml_ext.backends.base import Backend
from bentoml_ext.choices import spelled
from bentoml_ext.decisions.base import Decider, no_answer
from bentoml_ext.encoders.encoder import Encoder
from bentoml_ext.encoders.json_decoder import JsonDecoder, Values
from bentoml_ext.errors import BackendError, FeatureMismatch, InvalidApplication

__all__ = ["Scorer"]

T = TypeVar("T")


class Scorer:
    """Applications to answers. Only the margin comes from the backend.

    Args:
        encoder: application to row.
        backend: rows to margins.
        decider: margins to answers.
    """

    def __init__(self, encoder: Encoder, backend: Backend, decider: Decider) -> None:
        self.encoder = encoder
        self.backend = backend
        self.decider = decider
        self.reader = JsonDecoder(encoder)
        self._lock = Lock()
        self._row = np.zeros((1, encoder.n_features), np.float32)
        self._octets = self._row.data.cast("B")
        self._cells = self._octets.cast("f")
        self._margins = _of_two_axes(backend, self._row)
        self._found = self._margins.data.cast("B").cast("f")
        self._is_several = len(self._found) > 1
        self._fill = backend.single(self._row, self._margins)

    def classify(self, application: Any) -> Any:
        """The answer to one application, as the decider has it for a caller in Python.

        Raises:
            InvalidApplication: names the field, what it takes and what came.
        """
        return self._of_one(application, self.decider.answer)

    def body(self, application: Any) -> bytes:
        """The answer to one application as JSON.

        Raises:
            InvalidApplication: as `classify`.
        """
        return self._of_one(application, self.decider.body)

    def _of_one(self, application: Any, read: Callable[[Margins], T]) -> T:
        values = self.reader.plain(application)
        if values is not None:
            return self.single(values, read)
        self.encoder.check(application)
        return read(self.margins(self.encoder.rows([application])))

    def single(self, values: Values, read: Callable[[Margins], T]) -> T:
        """What `read` makes of the margins of one application.

        Args:
            values: that the reader took.
            read: takes float32, (1, n_margins), which the next application fills anew.

        Raises:
            InvalidApplication: as `sound_margins`.
        """
        # One row of memory, which the backend is bound to: one thread at a time.
        with self._lock:
            self.reader.write(values, self._cells, self._octets)
            self._fill()
            if isnan(self._found[0]) or (self._is_several and any(map(isnan, self._found))):
                raise no_answer()
            return read(self._margins)

    def classify_batch(self, applications: Sequence[Any]) -> list[Any]:
        """The answers to applications, in order.

        Raises:
            InvalidApplication: as `classify`, with the index; nothing is scored.
        """
        return self.decider.answers(self.margins_of(applications))

    def margins_of(self, applications: Sequence[Any]) -> Margins:
        """Margins of applications, in order.

        Raises:
            InvalidApplication: as `classify_batch`.
        """
        applications = _listed(applications)
        self.encoder.check_all(applications)
        return self.margins_by(self.encoder.rows, applications)

    def margins_by(
        self, rows_of: Callable[[Sequence[T]], Rows], applications: Sequence[T]
    ) -> Margins:
        """Margins of what `rows_of` makes rows of; of few at a time where rows are wide."""
        step = block_rows(self.encoder.n_features, len(applications))
        if step >= len(applications):
            return self.sound_margins(rows_of(applications))
        starts = range(0, len(applications), step)
        return np.concatenate(
            [
                self.sound_margins(rows_of(applications[start : start + step]), start)
                for start in starts
            ]
        )

    def sound_margins(self, rows: Rows, start: int = 0) -> Margins:
        """Margins of rows that all have an answer.

        Raises:
            InvalidApplication: one has none, with its index from `start`.
        """
        margins = self.backend.margins(rows)
        if (lost := self.decider.lost(margins)).any():
            raise no_answer().at(start + int(np.argmax(lost)))
        return margins

    def scored_by(self, count: int) -> str:
        """Names of the backends that `margins_by` asks for so many applications."""
        step = block_rows(self.encoder.n_features, count)
        sizes = [step, count % step or step] if step < count else [count]
        return ", ".join(dict.fromkeys(self.backend.for_rows(size).name for size in sizes))

    def margins(self, rows: Rows) -> Margins:
        """Margins of rows, checked here once for every backend.

        Args:
            rows: (n, n_features); converted to float32 in C order if they are not.

        Raises:
            FeatureMismatch: another number of columns.
            InvalidApplication: the numbers of a row are too large for a linear model.
        """
        rows = np.ascontiguousarray(rows, np.float32)
        if rows.ndim != 2 or rows.shape[1] != self.encoder.n_features:
            raise FeatureMismatch(
                f"Expected rows of {self.encoder.n_features} features, got shape {rows.shape} "
                "- at `rows`. Column order is listed under `features` in manifest.json."
            )
        return self.sound_margins(rows)

    def answers(self, rows: Rows) -> list[Any]:
        """The answers to rows, in order."""
        return self.decider.answers(self.margins(rows))


def _listed(applications: Any) -> Sequence[Any]:
    """Applications in a list, of whatever holds several.

    Raises:
        InvalidApplication: one application, a text, or a single value.
    """
    if isinstance(applications, list):
        return applications
    if isinstance(applications, str | bytes | Mapping) or not isinstance(applications, Iterable):
        raise InvalidApplication("an array of applications", spelled(applications))
    return list(applications)


def _of_two_axes(backend: Backend, row: Rows) -> Margins:
    """The margins of one row.

    Raises:
        BackendError: they are not what the contract says.
    """
    margins = backend.margins(row)
    if margins.dtype != np.float32 or margins.shape[:1] != (1,) or margins.ndim != 2:
        raise BackendError(
            f"Expected margins (1, n_margins) in float32, got {margins.dtype} {margins.shape} - at "
            f"backend '{backend.name}', for one row."
        )
    return margins
