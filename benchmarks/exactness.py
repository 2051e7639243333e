"""Writes docs/exactness.md: every kind of model, our graph's bits, and stock onnxmltools beside it.

python -m benchmarks.exactness --help
"""

from __future__ import annotations

import platform
import time
import warnings
from dataclasses import dataclass
from importlib.metadata import version
from itertools import groupby
from pathlib import Path

import click
import numpy as np
import xgboost as xgb

from benchmarks.comparison import (
    boundary_rows,
    equal_share,
    native_margins,
    native_predictions,
    run,
    session,
)
from benchmarks.stock import stock_verdict
from benchmarks.variants import VARIANTS, Variant
from bentoml_ext import files
from bentoml_ext.boosters.xgb.confirm import read
from bentoml_ext.export import to_onnx

PAGE = Path(__file__).parents[1] / "docs" / "exactness.md"
LIBRARIES = ("xgboost", "onnxruntime", "onnx", "onnxmltools", "skl2onnx", "numpy", "scikit-learn")
# Each batch is a way of its own through ONNX Runtime's kernel.
BATCHES = {1: 200, 7: 500, 64: 1000, 1000: 3000}


@dataclass(frozen=True)
class Line:
    """One line of the table; shares are of numbers with the same bits, over all rows asked."""

    variant: Variant
    margin: float
    prediction: float
    deterministic_threads: float
    stock: str
    stock_share: float | None

    @property
    def exact(self) -> bool:
        return self.margin == self.prediction == self.deterministic_threads == 1.0


def measure(variant: Variant) -> Line:
    """Make the model, export it in both forms, ask all three about the same rows."""
    model = variant.make()
    source, ensemble = read(model)
    finite = not source.inplace
    rows = boundary_rows(ensemble, max(BATCHES.values()), finite=finite)
    margins = native_margins(model, rows, inplace=source.inplace)
    predictions = native_predictions(model, rows, inplace=source.inplace)
    got = session(to_onnx(model, deterministic_threads=False))
    proof = session(to_onnx(model), threads=2)
    shares = []
    for batch, count in BATCHES.items():
        outputs = run(got, rows[:count], batch=batch)
        shares.append(
            (
                equal_share(margins[:count], outputs["margin"]),
                equal_share(predictions[:count], outputs["prediction"]),
            )
        )
    threaded = run(proof, rows, batch=1000)
    # The stock converter is asked about ordinary rows only: no infinities, no denormals.
    plain = np.random.default_rng(9).normal(size=(1000, ensemble.n_features)).astype(np.float32)
    plain = (
        np.round(plain * 4) if any(k in variant.name for k in ("categorical", "types")) else plain
    )
    # Its walk over trees takes time that doubles with each code: minutes, and then more.
    endless = "300 codes" in variant.name and ensemble.kind == "gbtree"
    stock, share = ("endless", None) if endless else stock_verdict(model, np.abs(plain))
    return Line(
        variant,
        min(share for share, _ in shares),
        min(share for _, share in shares),
        min(
            equal_share(margins, threaded["margin"]),
            equal_share(predictions, threaded["prediction"]),
        ),
        stock,
        share,
    )


def table(lines: list[Line]) -> str:
    """Markdown, one table for each group."""
    parts = []
    for group, of_group in groupby(lines, key=lambda line: line.variant.group):
        parts.append(f"\n## {group}\n")
        parts.append("| model | margin | prediction | on 2 threads | verdict | stock onnxmltools |")
        parts.append("| --- | --- | --- | --- | --- | --- |")
        for line in of_group:
            stock = line.stock
            if line.stock_share is not None:
                stock += f", {_percent(line.stock_share)}"
            shares = (line.margin, line.prediction, line.deterministic_threads)
            cells = [
                line.variant.name,
                *map(_percent, shares),
                "exact" if line.exact else "NOT EXACT",
                stock,
            ]
            parts.append("| " + " | ".join(cells) + " |")
    return "\n".join(parts)


def _percent(share: float) -> str:
    # 99.99 % must never read as 100 %.
    return "100 %" if share == 1.0 else f"{min(share, 0.9999) * 100:.2f} %"


def page(lines: list[Line], seconds: float) -> str:
    """The whole document."""
    exact = sum(line.exact for line in lines)
    stock = {
        verdict: sum(line.stock == verdict for line in lines)
        for verdict in sorted({line.stock for line in lines})
    }
    versions = ", ".join(f"{name} {version(name)}" for name in LIBRARIES)
    libc = " ".join(platform.libc_ver())
    counts = ", ".join(f"{count} {verdict}" for verdict, count in stock.items())
    return f"""# Exactness

Written by `python -m benchmarks.exactness` in {seconds:.0f} s; do not edit.
{versions}, {libc}, {platform.machine()}, Python {platform.python_version()}.

**{exact} of {len(lines)} kinds of model are exact: margin and prediction have XGBoost's own bits.**
Stock onnxmltools on the same models: {counts}.

- *margin*, *prediction*: the share of numbers whose 32 bits are XGBoost's, on one thread; the
  lowest over batches of 1, 7, 64 and 1 000 rows. The rows hold every split threshold, the float32
  on either side of it, codes and their neighbours. They also hold NaN, infinities, -0.0, denormals
  and random numbers.
- *on 2 threads*: the lower of the two for `to_onnx(model)`; the others are of
  `deterministic_threads=False`.
- *stock onnxmltools*: `onnxmltools.convert_xgboost` on 1 000 ordinary random rows, with the share
  of predictions whose bits agree (of the output that comes closest). *rounding*: all within 1e-4 of
  XGBoost's; *wrong*: some are not, and nothing warned; *refuses*: it says what it does not support;
  *crashes*: an error that does not say so; *unusable*: a file that ONNX Runtime does not run;
  *endless*: the first of its kind had not ended after five minutes, and the others were not asked.
- A Booster is compared with `Booster.predict` on a DMatrix, without infinities, which a DMatrix
  does not take; an estimator with its own `predict_proba` or `predict`. dart has two native sums up
  to XGBoost 3.2; each kind of model is exported as the one that it uses itself.
{table(lines)}
"""


@click.command()
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    default=PAGE,
    help="File to write.  [default: docs/exactness.md]",
)
@click.pass_context
def exactness(context: click.Context, output: Path) -> None:
    """Measure every kind of model and write the page; exit 1 where one is not exact."""
    warnings.simplefilter("ignore")
    xgb.set_config(verbosity=0)
    start = time.perf_counter()
    lines = []
    for number, variant in enumerate(VARIANTS, 1):
        lines.append(measure(variant))
        click.echo(f"\r{number} of {len(VARIANTS)}", nl=False, err=True)
    click.echo(err=True)
    output.parent.mkdir(parents=True, exist_ok=True)
    files.write(output, page(lines, time.perf_counter() - start).encode())
    context.exit(0 if all(line.exact for line in lines) else 1)


if __name__ == "__main__":
    exactness()
