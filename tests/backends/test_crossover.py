"""Crossover: the least time for every number of rows, as it was measured."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from bentoml_ext.arrays import Margins, Rows
from bentoml_ext.backends.base import Backend
from bentoml_ext.backends.crossover import Cost, Crossover
from bentoml_ext.backends.timing import measure
from tests.support import small

# Sums of it are exact.
ROW_S = 1 / 2048


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


class Slow(Backend):
    """Takes its time for every row, and none on its way for one; no other time passes."""

    name = "slow"
    filename = "booster.ubj"

    def __init__(self, path: Path) -> None:
        self.calls = 0
        self.time_s = 0.0

    def perf_counter(self) -> float:
        return self.time_s

    def margins(self, rows: Rows) -> Margins:
        self.calls += 1
        self.time_s += ROW_S * len(rows)
        return np.zeros((len(rows), 1), np.float32)

    def single(self, row: Rows, margins: Margins) -> Callable[[], None]:
        return lambda: None


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> Slow:
    """The backend, its time that of the measurement."""
    slow = Slow(Path())
    monkeypatch.setattr("bentoml_ext.backends.timing.time", slow)
    return slow


def test_a_cost_is_the_time_of_a_call_and_of_its_rows(slow: Slow) -> None:
    cost = measure({"slow": slow}, small.rows(3))["slow"]

    assert cost == Cost(0, 0, ROW_S)


def test_a_slow_backend_is_called_no_more_than_once_for_each_size(slow: Slow) -> None:
    measure({"slow": slow}, small.rows(3))

    assert slow.calls == 3
