"""Scorer: an encoder, a backend and a policy, ready to answer."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from threading import Lock
from typing import Any, TypeVar

import numpy as np

from bentoml_ext.arrays import Margins, Rows, block_rows
from bentoml_ext.backends.base import Backend
from bentoml_ext.choices import spelled
from bentoml_ext.decisions.bands import Answer, Decider
from bentoml_ext.decisions.policy import Policy
from bentoml_ext.encoders.encoder import Encoder
from bentoml_ext.encoders.json_decoder import JsonDecoder, Values
from bentoml_ext.errors import FeatureMismatch, InvalidApplication

__all__ = ["Scorer"]

T = TypeVar("T")


class Scorer:
    """Applications to answers. Only the margin comes from the backend.

    Args:
        encoder: application to row.
        backend: rows to margins.
        policy: bands over the probability.
    """

    def __init__(self, encoder: Encoder, backend: Backend, policy: Policy) -> None:
        self.encoder = encoder
        self.backend = backend
        self.decider = Decider(policy)
        self.reader = JsonDecoder(encoder)
        self._lock = Lock()
        self._row = np.zeros((1, encoder.n_features), np.float32)
        self._octets = self._row.data.cast("B")
        self._cells = self._octets.cast("f")
        self._single = backend.single(self._row)

    def classify(self, application: Any) -> Answer:
        """The answer to one application.

        Raises:
            InvalidApplication: names the field, what it takes and what came.
        """
        values = self.reader.plain(application)
        if values is not None:
            return self.decider.answer(self.margin(values))
        self.encoder.check(application)
        return self.answers(self.encoder.rows([application]))[0]

    def margin(self, values: Values) -> float:
        """Log-odds of one application that the reader took: a float32 value."""
        # One row of memory, which the backend is bound to: one thread at a time.
        with self._lock:
            self.reader.write(values, self._cells, self._octets)
            margin = self._single()
        if math.isnan(margin):
            raise _no_number()
        return margin

    def classify_batch(self, applications: Sequence[Any]) -> list[Answer]:
        """The answers to applications, in order.

        Raises:
            InvalidApplication: as `classify`, with the index; nothing is scored.
        """
        return self.decider.answers(self.margins_of(applications))

    def margins_of(self, applications: Sequence[Any]) -> Margins:
        """Log-odds of applications, in order.

        Raises:
            InvalidApplication: as `classify_batch`.
        """
        applications = _listed(applications)
        self.encoder.check_all(applications)
        return self.margins_by(self.encoder.rows, applications)

    def margins_by(
        self, rows_of: Callable[[Sequence[T]], Rows], applications: Sequence[T]
    ) -> Margins:
        """Log-odds of what `rows_of` makes rows of; of few at a time where rows are wide."""
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
        """Log-odds of rows; no log-odds is NaN.

        Raises:
            InvalidApplication: one is, with its index from `start`; no policy has a band for it.
        """
        margins = self.backend.margins(rows)
        if (lost := np.isnan(margins)).any():
            raise _no_number().at(start + int(np.argmax(lost)))
        return margins

    def scored_by(self, count: int) -> str:
        """Names of the backends that `margins_by` asks for so many applications."""
        step = block_rows(self.encoder.n_features, count)
        sizes = [step, count % step or step] if step < count else [count]
        return ", ".join(dict.fromkeys(self.backend.for_rows(size).name for size in sizes))

    def margins(self, rows: Rows) -> Margins:
        """Log-odds of rows, checked here once for every backend.

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

    def answers(self, rows: Rows) -> list[Answer]:
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


def _no_number() -> InvalidApplication:
    # A sum of finite leaves is never NaN; a linear model's products may be infinite.
    return InvalidApplication("numbers that the model can add", "some that are too large")
