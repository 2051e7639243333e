"""Pipelines: a Pipeline's steps beside a DictVectorizer of the same fields, and beside its own."""

from __future__ import annotations

import json
import os
import statistics
import tempfile
import timeit
from collections.abc import Callable
from itertools import cycle
from typing import Any

import click
import numpy as np
from rich.console import Console
from rich.table import Table

SCALED = ["income", "amount"]
NUMBERS = ["age", "seniority", "time", "expenses", "assets", "debt"]
TEXTS = {"home": 6, "marital": 5, "records": 2, "job": 4, "channel": 3}

HOW: dict[str, Any] = {
    "n_estimators": 175,
    "max_depth": 3,
    "learning_rate": 0.1,
    "n_jobs": 1,
}
"""Parameters of every model."""

Way = Callable[[], Any]


@click.command(context_settings={"show_default": True})
@click.option("--rounds", default=9, help="Measurements of each; they take turns.")
@click.option("--rows", default=100_000, help="Of the portfolio.")
@click.option("--calls", default=3000, help="Single applications of each measurement.")
@click.option("--texts", is_flag=True, help="Texts are texts, and not pandas' categories.")
def pipelines(*, rounds: int, rows: int, calls: int, texts: bool) -> None:
    """Measure single applications and portfolios of a Pipeline, without a server."""
    with tempfile.TemporaryDirectory() as home:
        os.environ["BENTOML_HOME"] = home
        singles, bulk = _ways(rows, texts=texts)
        table = Table("way", "us a row, median", "least", "of the first")
        for ways, count in ((singles, calls), (bulk, 1)):
            taken: dict[str, list[float]] = {name: [] for name in ways}
            for _ in range(rounds):
                for name, way in ways.items():
                    took = timeit.timeit(way, number=count)
                    taken[name].append(took / (calls if count > 1 else rows) * 1e6)
            first = next(iter(taken.values()))
            for name, times in taken.items():
                ratio = statistics.median(a / b for a, b in zip(first, times, strict=True))
                middle = statistics.median(times)
                table.add_row(name, f"{middle:.3f}", f"{min(times):.3f}", f"{ratio:.2f} x as fast")
        Console().print(table)


def _ways(rows: int, *, texts: bool) -> tuple[dict[str, Way], dict[str, Way]]:
    import pandas as pd
    import pyarrow as pa
    import xgboost as xgb

    import bentoml_ext
    from bentoml_ext.backends.registry import backend_names
    from bentoml_ext.encoders.arrow_columns import ColumnEncoder

    frame = frame_of(rows)
    if texts:
        frame = frame.astype(dict.fromkeys(TEXTS, "str"))
    few = frame.head(5_000)
    pipeline, vectorizer, target = fitted(few)
    records: Any = few.to_dict(orient="records")
    own = xgb.XGBClassifier(**HOW).fit(vectorizer.transform(records), target)

    by_steps = bentoml_ext.save_model("pipeline", pipeline, example=few)
    encoder = bentoml_ext.Encoder(vectorizer.feature_names_)
    by_names = bentoml_ext.save_model("vectorizer", own, encoder=encoder)
    bodies = [json.dumps(record).encode() for record in records[:1000]]
    batches = pa.Table.from_pandas(frame, preserve_index=False).to_batches(16_384)

    def single(scorer: Any) -> Way:
        turn = cycle(bodies)
        reader, body = scorer.reader, scorer.decider.body
        return lambda: scorer.single(reader.one(next(turn)), body)

    def encoded(scorer: Any) -> Way:
        encoder = ColumnEncoder(scorer.encoder)
        return lambda: [len(encoder.encode(batch).rows) for batch in batches]

    def scored(scorer: Any) -> Way:
        encoder, columns = ColumnEncoder(scorer.encoder), scorer.decider.columns
        return lambda: [columns(scorer.margins(encoder.encode(batch).rows)) for batch in batches]

    def texts_decoded() -> Any:
        return pipeline.predict_proba(pd.concat([batch.to_pandas() for batch in batches]))

    kernel = [name for name in backend_names() if name == "simd"]
    steps = {name: bentoml_ext.load_model(by_steps, name) for name in ("onnx", "xgboost", *kernel)}
    names = {name: bentoml_ext.load_model(by_names, name) for name in ("onnx", "xgboost")}
    return {
        "one application, DictVectorizer, onnx": single(names["onnx"]),
        "one application, Pipeline, onnx": single(steps["onnx"]),
    }, {
        "pandas + Pipeline.predict_proba": texts_decoded,
        "encode and score, Pipeline, xgboost": scored(steps["xgboost"]),
        **{f"encode and score, Pipeline, {name}": scored(steps[name]) for name in kernel},
        "encode alone, Pipeline": encoded(steps["xgboost"]),
        "encode alone, DictVectorizer": encoded(names["xgboost"]),
    }


def fitted(frame: Any) -> tuple[Any, Any, Any]:
    """A Pipeline of a frame, a DictVectorizer of the same fields, and the target."""
    import xgboost as xgb
    from sklearn.compose import make_column_transformer
    from sklearn.feature_extraction import DictVectorizer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    target = (frame["income"] + 40 * (frame["home"] == "home 1") > 200).astype(int)
    columns = make_column_transformer(
        (StandardScaler(), SCALED),
        ("passthrough", NUMBERS),
        (OneHotEncoder(sparse_output=False, handle_unknown="ignore"), list(TEXTS)),
    )
    pipeline = make_pipeline(columns, xgb.XGBClassifier(**HOW)).fit(frame, target)
    vectorizer = DictVectorizer(sparse=False).fit(frame.to_dict(orient="records"))
    return pipeline, vectorizer, target


def frame_of(rows: int) -> Any:
    """Applications of 13 fields; texts are categories, as Parquet gives them."""
    import pandas as pd

    random = np.random.default_rng(0)
    numbers = {name: random.lognormal(4, 1, rows).round(2) for name in [*SCALED, *NUMBERS]}
    texts = {
        name: pd.Categorical(
            random.choice([f"{name} {at}" for at in range(count)], rows),
            [f"{name} {at}" for at in range(count)],
        )
        for name, count in TEXTS.items()
    }
    return pd.DataFrame({**numbers, **texts})


if __name__ == "__main__":
    pipelines()
