"""Models of every task, trained in milliseconds on the rows of `small`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import xgboost

from bentoml_ext.arrays import Rows
from bentoml_ext.decisions.policy import Band, Classes, Policy, Value, ValueBands
from tests.support import small

__all__ = ["TASKS", "Task", "booster_of", "numbers_of", "trained"]


@dataclass(frozen=True)
class Task:
    """What a model predicts.

    Args:
        objective: XGBoost's.
        labels: how its labels are made of a number: "number", "positive", "class", "yes", "pair".
        policy: what is answered; None for what a model without one answers.
        parameters: others of the training.
    """

    objective: str
    labels: str = "number"
    policy: Policy | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)


TASKS: Final = {
    "regression": Task("reg:squarederror"),
    "prices": Task("reg:squarederror", "positive", Value("price")),
    "absolute": Task("reg:absoluteerror"),
    "huber": Task("reg:pseudohubererror"),
    "squared log": Task("reg:squaredlogerror", "positive"),
    "counts": Task("count:poisson", "positive", Value("claims")),
    "gamma": Task("reg:gamma", "positive"),
    "tweedie": Task("reg:tweedie", "positive"),
    "quantile": Task("reg:quantileerror", parameters={"quantile_alpha": 0.7}),
    "quantiles": Task(
        "reg:quantileerror",
        policy=Value("wait", ("p10", "p50", "p90")),
        parameters={"quantile_alpha": [0.1, 0.5, 0.9]},
    ),
    "classes": Task(
        "multi:softprob", "class", Classes(("ada", 'b "c"', "ünder")), {"num_class": 3}
    ),
    "ten classes": Task("multi:softprob", "class", None, {"num_class": 10}),
    "class alone": Task("multi:softmax", "class", None, {"num_class": 3}),
    "hinge": Task("binary:hinge", "yes", Classes(("no", "yes"), with_probabilities=False)),
    "log-odds": Task("binary:logitraw", "yes"),
    "bands": Task("binary:logistic", "yes"),
    "yes or no": Task("binary:logistic", "yes", Classes(("no", "yes"))),
    "chance": Task("binary:logistic", "yes", Value("chance")),
    "coded": Task("binary:logistic", "yes", Classes((0, 1))),
    "numbered": Task("multi:softprob", "class", Classes((3, -1, 70_000)), {"num_class": 3}),
    "price bands": Task(
        "reg:gamma",
        "positive",
        ValueBands("class", (Band(1.2, "high"), Band(0.9, "middle")), "low", "price"),
    ),
    "risk": Task("survival:cox", "positive", Value("hazard")),
    "time": Task("survival:aft", "bounds", Value("days")),
    "ranking": Task("rank:ndcg", "ranks", Value("score")),
    "targets": Task("reg:squarederror", "pair", Value(names=("width", "height"))),
    "vectors": Task("reg:squarederror", "pair", None, {"multi_strategy": "multi_output_tree"}),
    "several labels": Task("binary:logistic", "several"),
}


def booster_of(kind: str, seed: int = 0, rounds: int = 6, **more: Any) -> xgboost.Booster:
    """A booster of a task, on the rows of `small`."""
    return trained(kind, small.rows(300, seed), seed, rounds, **more)


def trained(kind: str, rows: Rows, seed: int = 0, rounds: int = 6, **more: Any) -> xgboost.Booster:
    """A booster of a task, on rows of several hundred."""
    task = TASKS[kind]
    parameters = {"objective": task.objective, "max_depth": 3, "nthread": 1, "seed": seed}
    return xgboost.train(parameters | dict(task.parameters) | more, _matrix(task, rows), rounds)


def numbers_of(answer: Mapping[str, Any], policy: Policy) -> npt.NDArray[np.float32] | None:
    """The numbers of an answer in JSON; None where it has a label alone."""
    beside = {name: value for name, value in answer.items() if name != policy.key}
    found = answer[policy.key] if isinstance(policy, Value) else next(iter(beside.values()), None)
    if found is None:
        return None
    values = found.values() if isinstance(found, dict) else found
    return np.array(list(values) if isinstance(found, dict | list) else [found], np.float32)


def _matrix(task: Task, rows: Rows) -> xgboost.DMatrix:
    number = np.nan_to_num(rows[:, 0] + rows[:, -1])
    positive = np.abs(number) + 0.1
    several = {"pair": np.c_[number, -positive], "several": np.c_[number > 0, number > 1]}
    labels = {
        "number": number,
        "positive": positive,
        "yes": number > 0.2,
        "class": (positive * 3).astype(int) % task.parameters.get("num_class", 3),
        "ranks": (positive * 2).astype(int) % 4,
        **several,
    }
    if task.labels != "bounds":
        qid = np.arange(len(rows)) // 10 if task.labels == "ranks" else None
        return xgboost.DMatrix(rows, label=labels[task.labels], qid=qid)
    matrix = xgboost.DMatrix(rows)
    matrix.set_float_info("label_lower_bound", positive)
    matrix.set_float_info("label_upper_bound", positive)
    return matrix
