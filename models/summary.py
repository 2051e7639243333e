"""Summary: what a training run says for itself in a terminal."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.table import Table

from models.dataset import Dataset
from models.evaluation import Evaluation
from models.training import Trained

__all__ = ["summary"]


def summary(dataset: Dataset, trained: Trained) -> RenderableType:
    """Where the data come from, how many, how good the model is, and what it would answer."""
    evaluation = trained.evaluation
    return Group(
        f"Data      {_origin(dataset)}",
        f"Rows      {_count(len(dataset))} applications, {dataset.default_rate:.1%} defaulted: "
        f"{_count(trained.trained_rows)} to train on, {_count(evaluation.rows)} held out",
        f"Model     {trained.booster.num_boosted_rounds()} trees on "
        f"{trained.encoder.n_features} columns",
        f"AUC       {evaluation.auc:.3f} on the applications held out",
        "",
        _confusion(evaluation, trained.policy.key),
    )


def _origin(dataset: Dataset) -> str:
    origin = dataset.origin
    detail = f", seed {origin['seed']}" if "seed" in origin else ""
    digest = f", SHA-256 {str(origin['sha256'])[:12]}..." if "sha256" in origin else ""
    return f"{origin.get('source', 'unknown')}{detail}{digest}"


def _confusion(evaluation: Evaluation, key: str) -> Table:
    table = Table(key, title="Answers on the applications held out", title_justify="left")
    for heading in ("Repaid", "Defaulted", "Default rate"):
        table.add_column(heading, justify="right")
    for answer, (repaid, defaulted) in evaluation.confusion.items():
        every = repaid + defaulted
        rate = f"{defaulted / every:.1%}" if every else "-"
        table.add_row(answer, _count(repaid), _count(defaulted), rate)
    return table


def _count(number: int) -> str:
    return f"{number:,}".replace(",", " ")
