"""Dataset: applications with what became of them, in a fixed order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from bentoml_ext.encoders.encoder import Application

__all__ = ["Dataset", "Defaults"]

Defaults: TypeAlias = npt.NDArray[np.uint8]
"""uint8, (n,): 1 where the applicant defaulted, 0 where the credit was repaid."""


@dataclass(frozen=True)
class Dataset:
    """Applications and their outcomes.

    Args:
        applications: n applications; None stands for a number that was not given.
        defaults: uint8, (n,), their outcomes in the same order.
        origin: where the data come from, to be kept with a model that is trained on them.
    """

    applications: Sequence[Application]
    defaults: Defaults
    origin: Mapping[str, str | int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.applications)

    def without(self, names: Sequence[str]) -> Dataset:
        """The same applications without some of their fields."""
        left = [{k: v for k, v in one.items() if k not in names} for one in self.applications]
        return Dataset(left, self.defaults, self.origin)

    @property
    def default_rate(self) -> float:
        """Share of the applicants who defaulted, from 0 to 1."""
        return float(self.defaults.mean())
