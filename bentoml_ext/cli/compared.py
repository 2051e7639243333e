"""Compared: the comparison that the options of `compare` ask for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import click

from bentoml_ext.cli import comparison
from bentoml_ext.cli.progress import scoring
from bentoml_ext.compare.applications import Applications
from bentoml_ext.compare.backends import compare_backends
from bentoml_ext.compare.beside import Named
from bentoml_ext.compare.document import Report
from bentoml_ext.compare.drift import compare_files
from bentoml_ext.compare.predictions.comparing import (
    compare_prediction_files,
    compare_prediction_versions,
)
from bentoml_ext.compare.predictions.kind import Kind, one_kind
from bentoml_ext.compare.predictions.predicting import Predicting
from bentoml_ext.compare.scored import Scoring
from bentoml_ext.compare.subject import Subject
from bentoml_ext.compare.versions import compare_versions
from bentoml_ext.formats.spelling import Spelling

__all__ = ["compared"]


def compared(tag: str, options: dict[str, Any]) -> Report:
    """The report of backends, of two versions, or of two files.

    Args:
        tag: of the version.
        options: of the command, by name.

    Raises:
        ClickException: an option of another task.
    """
    subject = Subject.of(tag)
    if not options["other"] and not options["other_data"]:
        return _backends(subject, options)
    other = Subject.of(options["other"]) if options["other"] else subject
    kind = one_kind(subject, other)
    _check_task(kind, options)
    if kind.task != "bands":
        return _predictions(kind, subject, other, options)
    if options["other"]:
        return _versions(subject, other, options)
    return _files(subject, options)


def _backends(subject: Subject, options: dict[str, Any]) -> Report:
    names = [name.strip() for name in (options["backends"] or "").split(",") if name.strip()]
    data = _data(subject, options) if options["data"] else None
    with comparison.steps() as steps:
        return compare_backends(subject, names, data, steps)


def _versions(one: Subject, other: Subject, options: dict[str, Any]) -> Report:
    named = _named(one, options)
    champion = Scoring(one, _data(one, options, named.columns), named)
    challenger = Scoring(other, _data(other, options))
    with scoring("Comparing") as on_progress:
        return compare_versions(champion, challenger, on_progress, options["scores"])


def _files(subject: Subject, options: dict[str, Any]) -> Report:
    named = replace(_named(subject, options), amount="")
    first, second = (
        Scoring(subject, _data(subject, {**options, "data": options[name]}, named.columns), named)
        for name in ("data", "other_data")
    )
    with scoring("Comparing") as on_progress:
        return compare_files(first, second, on_progress)


def _predictions(kind: Kind, one: Subject, other: Subject, options: dict[str, Any]) -> Report:
    """Two versions, or two files, of a model without bands."""
    outcome, group = options["outcome"], options["group"]
    columns = {group: "--group", outcome: "--outcome"}
    keep = {name: option for name, option in columns.items() if name}
    paths = options["data"], options["other_data"] or options["data"]
    first, second = (
        Predicting(subject, _data(subject, {**options, "data": path}, keep), kind, outcome, group)
        for subject, path in zip((one, other), paths, strict=True)
    )
    with scoring("Comparing") as on_progress:
        if options["other_data"]:
            return compare_prediction_files(first, second, on_progress)
        return compare_prediction_versions(first, second, on_progress, options["scores"])


def _check_task(kind: Kind, options: dict[str, Any]) -> None:
    """Refuse an option of another task."""
    fitting = {
        "amount": ("bands", "decides by bands"),
        "impact": ("bands", "decides by bands"),
        "group": ("order", "answers an order"),
    }
    for name, (task, words) in fitting.items():
        if options[name] and kind.task != task:
            raise click.ClickException(
                f"--{name} is for a model that {words}, and this one answers {kind}."
            )


def _named(subject: Subject, options: dict[str, Any]) -> Named:
    names = {name: options[name] for name in ("outcome", "amount", "impact", "reference")}
    names["amount"] = names["amount"] or Named.amount_of(subject.bundle.encoder)
    return Named(**names)


def _data(
    subject: Subject, options: dict[str, Any], keep: Mapping[str, str] | None = None
) -> Applications:
    names = ("encoding", "decimal", "nulls", "quotes")
    spelling = Spelling(**{name: options[name] for name in names})
    form = options["source_form"]
    return Applications(options["data"], subject.bundle.encoder, keep or {}, form, spelling)
