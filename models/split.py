"""The course's split: four fifths to train on, one fifth held out for the test."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np

from bentoml_ext.encoders.encoder import Application
from models.course_csv import load
from models.dataset import Dataset
from models.errors import DataRefused

__all__ = ["held_out_applications", "split"]

TEST_SHARE: Final = 0.2
RANDOM_STATE: Final = 11
_SMALLEST: Final = 20


def split(dataset: Dataset) -> tuple[Dataset, Dataset]:
    """Training and test data: the rows that the course's own split gives, in its order.

    Raises:
        DataRefused: too few applications, or only one outcome among those of a part.

    Source:
        `train_test_split(df, test_size=0.2, random_state=11)`. Only the number of rows matters: the
        split is drawn on row numbers, so that no data frame is needed.
    """
    # scikit-learn takes a second to import; who only wants the data's shape need not wait.
    from sklearn.model_selection import train_test_split

    if len(dataset) < _SMALLEST:
        raise DataRefused(f"Expected {_SMALLEST} applications or more, got {len(dataset)}.")
    parts = train_test_split(range(len(dataset)), test_size=TEST_SHARE, random_state=RANDOM_STATE)
    train, test = (_take(dataset, rows) for rows in parts)
    return train, test


def held_out_applications(path: Path) -> list[Application]:
    """The test applications of the course's CSV file (891 of its 4 454).

    Raises:
        DataRefused: as `load` and `split`.
    """
    _, test = split(load(path))
    return list(test.applications)


def _take(dataset: Dataset, rows: list[int]) -> Dataset:
    part = Dataset(
        [dataset.applications[row] for row in rows], dataset.defaults[rows], dataset.origin
    )
    if len(np.unique(part.defaults)) < 2:
        raise DataRefused("Expected repaid credits and defaults in each part, got only one kind.")
    return part
