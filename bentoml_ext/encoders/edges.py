"""Edges: the numbers at which the ranges of a field begin, and those beside them, for proofs."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from bentoml_ext.encoders.encoder import Encoder
from bentoml_ext.encoders.field import Field
from bentoml_ext.encoders.steps import Ranges

__all__ = ["beside_edges"]

Doubles = npt.NDArray[np.float64]


def beside_edges(encoder: Encoder, field: Field) -> Doubles:
    """float64: the edges of a field's ranges, the numbers beside them, between and beyond."""
    ranges = [step for step in encoder.steps_of(field.name) if isinstance(step, Ranges)]
    edges: Doubles = np.unique(np.array([edge for step in ranges for edge in step.edges]))
    if not len(edges):
        return np.zeros(1) if ranges else edges
    beside = [np.nextafter(edges, end) for end in (-np.inf, np.inf)]
    width = (edges[-1] - edges[0]) or max(abs(edges[0]), 1.0)
    ends = [edges[0] - width, edges[-1] + width]
    return np.concatenate([edges, *beside, (edges[1:] + edges[:-1]) / 2, ends])
