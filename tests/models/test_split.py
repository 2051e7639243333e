from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sklearn.model_selection import train_test_split

from bentoml_ext.encoders.encoder import Application
from models.course_csv import load
from models.dataset import Dataset
from models.errors import DataRefused
from models.split import held_out_applications, split
from models.synthetic import generate


def numbered(outcomes: list[int]) -> Dataset:
    applications: list[Application] = [{"row": row} for row in range(len(outcomes))]
    return Dataset(applications, np.array(outcomes, dtype=np.uint8))


def test_the_split_is_the_one_that_scikit_learn_makes_of_the_table_itself() -> None:
    dataset = generate(rows=500).dataset()
    expected = train_test_split(list(dataset.applications), test_size=0.2, random_state=11)
    train, test = split(dataset)

    assert [list(train.applications), list(test.applications)] == expected


def test_an_outcome_stays_with_its_application() -> None:
    outcomes = [0, 1, 1] * 50
    parts = split(numbered(outcomes))

    for part in parts:
        rows = [application["row"] for application in part.applications]
        assert part.defaults.tolist() == [outcomes[row] for row in rows]
    assert sum(map(len, parts)) == len(outcomes)


def test_data_with_one_outcome_only_are_refused() -> None:
    with pytest.raises(DataRefused, match="only one kind"):
        split(numbered([0] * 100))


def test_too_few_data_are_refused() -> None:
    with pytest.raises(DataRefused, match="Expected 20 applications or more, got 5"):
        split(numbered([0, 1, 0, 1, 0]))


def test_the_course_file_holds_out_891_applications(course_csv: Path) -> None:
    train, test = split(load(course_csv))

    assert (len(train), len(test)) == (3563, 891)
    assert held_out_applications(course_csv) == list(test.applications)
