"""In process: an application as a dict to its decision, per backend, beside the usual way."""

from __future__ import annotations

import json
import os
import statistics
import tempfile
import timeit
from collections.abc import Callable, Iterator
from itertools import cycle
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from bentoml_ext.scoring.opening import open_scorer

USUAL = "DictVectorizer + DMatrix"


@click.command(context_settings={"show_default": True})
@click.option("--rounds", default=7, help="Measurements of each; they take turns.")
@click.option("--calls", default=2000, help="Calls of each measurement.")
def inprocess(*, rounds: int, calls: int) -> None:
    """Measure one application to its decision, without a server."""
    with tempfile.TemporaryDirectory() as home:
        os.environ["BENTOML_HOME"] = home
        ways, applications = _ways()
        taken: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(rounds):
            for name, way in ways.items():
                turn = cycle(applications)
                took = timeit.timeit(lambda way=way, turn=turn: way(next(turn)), number=calls)  # type: ignore[misc]
                taken[name].append(took / calls * 1e6)
    table = Table("way", "us, median", "least", f"of {USUAL}")
    for name, times in taken.items():
        ratio = statistics.median(a / b for a, b in zip(times, taken[USUAL], strict=True))
        middle = statistics.median(times)
        table.add_row(name, f"{middle:.1f}", f"{min(times):.1f}", f"1/{1 / ratio:.1f}")
    Console().print(table)


def _ways() -> tuple[dict[str, Callable[[Any], Any]], list[Any]]:
    import xgboost as xgb

    import bentoml_ext
    from benchmarks.contestants.parts import decision, file, vectorizer
    from benchmarks.stage import prepare

    applications = [json.loads(body) for body in prepare()]
    dv = vectorizer()
    # One thread, as ours: more only wait for each other over one row.
    booster = xgb.Booster({"nthread": 1}, model_file=file("booster.ubj"))

    def usual(application: Any) -> Any:
        # fillna(0), as in training.
        filled = {name: 0 if value is None else value for name, value in application.items()}
        return decision(float(booster.predict(xgb.DMatrix(dv.transform([filled])))[0]))

    ways: dict[str, Callable[[Any], Any]] = {USUAL: usual}
    ways |= dict(_ours(bentoml_ext.get("credit_risk_model")))
    return ways, applications


def _ours(model: Any) -> Iterator[tuple[str, Callable[[Any], Any]]]:
    from bentoml_ext import load_bundle

    for backend in ("onnx", "xgboost"):
        yield f"ours, {backend}", open_scorer(load_bundle(model), backend).classify


if __name__ == "__main__":
    inprocess()
