"""Crossover: the least time for every number of rows, as it was measured."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from bentoml_ext.arrays import Margins, Rows
from bentoml_ext.backends import Backend
from bentoml_ext.backends.costs import measure
from bentoml_ext.backends.crossover import Cost, Crossover
from tests import small

ROW_S = 0.0005


@pytest.mark.parametrize(
    ("costs", "table"),
    [
        ({"a": Cost(1, 1, 1)}, "a:1"),
        ({"a": Cost(1, 10, 3), "b": Cost(9, 110, 1)}, "a:1,b:51"),
        ({"a": Cost(9, 10, 3), "b": Cost(1, 110, 1)}, "b:1,a:2,b:51"),
        ({"a": Cost(1, 10, 1), "b": Cost(2, 20, 2)}, "a:1"),
        ({"a": Cost(2, 20, 2), "b": Cost(1, 10, 1)}, "b:1"),
        ({"a": Cost(1, 0, 4), "b": Cost(9, 10, 2), "c": Cost(9, 30, 1)}, "a:1,b:6,c:21"),
        ({"a": Cost(1, 0, 4), "b": Cost(9, 40, 2), "c": Cost(9, 30, 1)}, "a:1,c:11"),
        # Lines so nearly parallel that they would meet beyond any call.
        ({"a": Cost(1, 1, 1), "b": Cost(2, 2, 1 - 1e-12)}, "a:1"),
        ({"a": Cost(1, 1, 1), "b": Cost(1, 1, 1)}, "a:1"),
    ],
)
def test_the_cheapest_answers(costs: dict[str, Cost], table: str) -> None:
    assert str(Crossover.cheapest(costs)) == table


def test_the_cheapest_is_never_dearer_than_another() -> None:
    random = np.random.default_rng(0)
    for _ in range(200):
        costs = {name: Cost(*random.random(3).tolist()) for name in "abcde"}

        crossover = Crossover.cheapest(costs)

        for n in (2, 3, 10, 1000):
            asked = next(name for rows, name in reversed(crossover.steps) if rows <= n)
            assert costs[asked].of(n) == min(cost.of(n) for cost in costs.values())


class Sleeper(Backend):
    """Takes its time for every row, and none on its way for one."""

    name = "sleeper"
    filename = "booster.ubj"
    calls = 0

    def __init__(self, path: Path) -> None: ...

    def margins(self, rows: Rows) -> Margins:
        self.calls += 1
        time.sleep(ROW_S * len(rows))
        return np.zeros(len(rows), np.float32)

    def single(self, row: Rows) -> Callable[[], float]:
        return lambda: 0.0


def test_a_cost_is_the_time_of_a_call_and_of_its_rows() -> None:
    cost = measure({"sleeper": Sleeper(Path())}, small.rows(3))["sleeper"]

    assert cost.single_s < ROW_S
    # A busy machine sleeps longer.
    assert cost.row_s == pytest.approx(ROW_S, rel=0.5)


def test_a_slow_backend_is_called_no_more_than_once_for_each_size() -> None:
    sleeper = Sleeper(Path())

    measure({"sleeper": sleeper}, small.rows(3))

    assert sleeper.calls == 2
