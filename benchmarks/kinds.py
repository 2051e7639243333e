"""Kinds: a Pipeline, ten classes and a regression over HTTP, beside a DictVectorizer's log-odds.

python -m benchmarks.kinds

One process serves all of them, so that they differ in nothing but the model.
"""

from __future__ import annotations

import json
import os
import statistics
import tempfile
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from benchmarks.load import Load, drive, script
from benchmarks.pipelines import HOW, fitted, frame_of
from tests.support.servers import Server, serve

FIRST = "vectorizer"
CLASSES = 10
SERVICE = "import bentoml_ext\n\nsvc = bentoml_ext.get_service({names!r}, name='kinds')\n"


@click.command(context_settings={"show_default": True})
@click.option("--seconds", default=3.0, help="Length of each measurement.")
@click.option("--rounds", default=7, help="Measurements of each; they take turns.")
@click.option("--connections", default=(1, 32), multiple=True, help="Open at a time.")
def kinds(*, seconds: float, rounds: int, connections: tuple[int, ...]) -> None:
    """Measure single applications of models of several kinds, by wrk on loopback."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        os.environ["BENTOML_HOME"] = folder
        bodies, margins = _stored(home)
        scripts = {name: _script(home, name, bodies) for name in margins}
        with serve(home, "kinds_service:svc", cwd=home, BACKEND="onnx") as server:
            loads = _take_turns(server, scripts, connections, seconds, rounds)
    table = Table(
        "model", "connections", "requests/s, median", "most", "of the first", "per margin"
    )
    for (name, count), of in loads.items():
        first = loads[FIRST, count]
        ratio = statistics.median(a.rate / b.rate for a, b in zip(of, first, strict=True))
        rates = [load.rate for load in of]
        best = max(rates) / max(load.rate for load in first)
        table.add_row(
            name,
            str(count),
            f"{statistics.median(rates):,.0f}",
            f"{max(rates):,.0f}",
            f"{ratio:.2f} (most: {best:.2f})",
            f"{ratio * margins[name]:.2f}",
        )
    Console().print(table)


def _stored(home: Path) -> tuple[list[bytes], dict[str, int]]:
    """Applications as JSON, and the stored models with their margins."""
    import numpy as np
    import xgboost as xgb

    import bentoml_ext

    frame = frame_of(5_000)
    pipeline, vectorizer, target = fitted(frame)
    records: Any = frame.to_dict(orient="records")
    rows, number = vectorizer.transform(records), np.log(frame["income"])
    classes = (number * 4).astype(int) % CLASSES
    encoder = bentoml_ext.Encoder(vectorizer.feature_names_)
    of_rows = {
        FIRST: (xgb.XGBClassifier, target),
        "regression": (xgb.XGBRegressor, number),
        "classes": (xgb.XGBClassifier, classes),
    }
    for name, (kind, wanted) in of_rows.items():
        bentoml_ext.save_model(name, kind(**HOW).fit(rows, wanted), encoder=encoder)
    bentoml_ext.save_model("pipeline", pipeline, example=frame)
    names = [*of_rows, "pipeline"]
    (home / "kinds_service.py").write_text(SERVICE.format(names=names))
    bodies = [json.dumps(record).encode() for record in records[:1000]]
    return bodies, dict.fromkeys(names, 1) | {"classes": CLASSES}


def _script(home: Path, name: str, bodies: list[bytes]) -> Path:
    (home / name).mkdir()
    return script(home, bodies, f"/{name}/predict")


def _take_turns(
    server: Server,
    scripts: dict[str, Path],
    connections: tuple[int, ...],
    seconds: float,
    rounds: int,
) -> dict[tuple[str, int], list[Load]]:
    loads: dict[tuple[str, int], list[Load]] = {
        (name, count): [] for count in connections for name in scripts
    }
    for lua in scripts.values():
        drive(server.url, lua, 32, 2)
    for turn in range(rounds):
        # Every other round goes backwards: a machine that slows down is nobody's fault.
        for name, count in [*loads][:: 1 if turn % 2 == 0 else -1]:
            load = drive(server.url, scripts[name], count, seconds)
            if load.failed:
                raise RuntimeError(f"Expected answers of 200, got {load.failed} others of {name}.")
            loads[name, count].append(load)
    return loads


if __name__ == "__main__":
    kinds()
