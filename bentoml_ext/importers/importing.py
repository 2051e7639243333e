"""Importing: a model saved in another way becomes a bundle, and nothing about it is guessed.

What a source does not say is decided by the user's switches, or by a check against the user's own
predictions. Where neither decides and it matters, the import asks. A default that is used all the
same is reported as an assumption.
"""

from __future__ import annotations

import math
import reprlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

import bentoml
import numpy as np

from bentoml_ext import framework
from bentoml_ext.choices import some_of
from bentoml_ext.decisions.base import Decider
from bentoml_ext.decisions.deciding import decider_of, default_policy
from bentoml_ext.decisions.policy import Bands, Policy
from bentoml_ext.decisions.policy_file import read_policy
from bentoml_ext.decisions.presets import of_threshold
from bentoml_ext.encoders.encoder import Encoder
from bentoml_ext.encoders.fields_file import read_fields
from bentoml_ext.encoders.reading import Reading
from bentoml_ext.encoders.steps import OneHot
from bentoml_ext.errors import ConfigError, ImportRefused
from bentoml_ext.importers.asking import ask, ask_gaps
from bentoml_ext.importers.find import find
from bentoml_ext.importers.pipelines import find_pipeline, import_pipeline
from bentoml_ext.importers.request import ImportRequest
from bentoml_ext.importers.source import Source
from bentoml_ext.objectives.table import objective_of
from bentoml_ext.store.origin import Assumption, Origin
from bentoml_ext.store.tags import tag_of

if TYPE_CHECKING:
    from bentoml_ext.proving.every_form import ProofProgress

__all__ = ["ImportRequest", "import_model"]

KEPT_WITH: Final = "the custom objects or the metadata of"


def import_model(
    request: ImportRequest, name: bentoml.Tag | str, on_progress: ProofProgress | None = None
) -> bentoml.Model:
    """Make a bundle of what a request names, prove it and store it.

    Args:
        request: what to import, and how.
        name: of the new model; NAME:VERSION sets both.
        on_progress: as `framework.save_model`.

    Raises:
        ImportRefused, NotFound, FeatureMismatch, ConfigError: as `find`, `ask` and
            `read_fields`; ProofFailed, ExportRefused: as `framework.save_model`.
        NotAccepted: the model, as it was read, does not give the user's own predictions.
    """
    name = tag_of(name)
    pipeline = find_pipeline(request.source, allow_pickle=request.allow_pickle)
    if pipeline is not None:
        return import_pipeline(pipeline, request, name, on_progress)
    if request.example is not None:
        raise ConfigError(
            f"Expected --example for a Pipeline, got it for another model - at {request.source}. "
            "--check FILE takes applications with predictions."
        )
    return _import_booster(request, name, on_progress)


def _import_booster(
    request: ImportRequest, name: bentoml.Tag, on_progress: ProofProgress | None
) -> bentoml.Model:
    rules = () if request.fields is None else read_fields(request.fields)
    source = find(request.source, request.features, rules=rules)
    policy, policy_says = _policy(source, request.policy)
    reading, check = request.reading.over(source.said), None
    if request.check is not None:
        from bentoml_ext.acceptance import Check, accept

        check = Check.read(request.check, request.prediction)
        source = source.with_columns(check.given.names)
        decider = _decider(source, policy)
        reading = accept(check, source.read, reading, source.choices, decider).reading
        ask_gaps(source, reading, check.name)
    else:
        ask(source, reading)
    found = source.read(reading)
    origin = Origin(
        source=source.name,
        sha256=source.sha256,
        trees=source.file.n_trees,
        reading=reading.switches(),
        assumptions=[*_assumptions(source, request, reading, found.encoder), policy_says],
        xgboost=source.file.version,
    )
    return framework.save_model(
        name,
        found.model,
        encoder=found.encoder,
        policy=policy,
        rounds="all",
        check=check,
        origin=origin,
        labels={"imported-from": source.name},
        on_progress=on_progress,
    )


def _policy(source: Source, path: Path | None) -> tuple[Policy, Assumption]:
    """What is answered, and whose word it is."""
    file = source.file
    objective = objective_of(file.objective)
    if path is not None:
        policy = decider_of(read_policy(path), objective, file.n_margins).policy
        return policy, _said(policy, f"--policy {path.name}")
    default = default_policy(objective, file.n_margins)
    if source.cut_offs:
        if not isinstance(default, Bands):
            raise ImportRefused(
                f"Expected no threshold of a model of '{file.objective}', got "
                f"{sorted(source.cut_offs)} - at {KEPT_WITH} {source.name}. Say what is "
                "answered: --policy FILE."
            )
        policy = of_threshold(_cut_off(source))
        return policy, _said(policy, "the threshold that was kept with it")
    return default, _said(default, "assumed: the default (--policy FILE)")


def _decider(source: Source, policy: Policy) -> Decider:
    """What makes answers of the source's margins."""
    from bentoml_ext.boosters.xgb.confirm import read

    _, ensemble = read(source.file.booster)
    objective = objective_of(ensemble.objective, ensemble.transform)
    return decider_of(policy, objective, ensemble.n_targets)


def _cut_off(source: Source) -> float:
    """The one cut-off that was kept with a model.

    Raises:
        ImportRefused: several, or none that is a probability.
    """
    (name, value), *others = source.cut_offs.items()
    is_chance = isinstance(value, int | float | np.integer | np.floating) and 0 < value < 1
    if others or not is_chance:
        got = f"{reprlib.repr(value)} at '{name}'" if not others else f"{sorted(source.cut_offs)}"
        raise ImportRefused(
            f"Expected one threshold between 0 and 1, got {got} - at {KEPT_WITH} "
            f"{source.name}. Say which answers there are: --policy FILE."
        )
    return float(value)


def _said(policy: Policy, why: str) -> Assumption:
    if not isinstance(policy, Bands):
        return Assumption(policy.key, str(policy), why)
    bands = [f"{band.answer} above {band.above:g}" for band in policy.bands]
    return Assumption(policy.key, ", ".join([*bands, f"else {policy.otherwise}"]), why)


def _assumptions(
    source: Source, request: ImportRequest, reading: Reading, encoder: Encoder
) -> list[Assumption]:
    """How the source was read, part by part, and whose word each is."""
    file = source.file
    given = dict(request.reading.decided())
    own = dict(source.said.decided())

    def why(part: str, otherwise: str, said: str = "the source says so") -> str:
        if part in given:
            return f"--{part}"
        if part in own:
            return said
        found_out = request.check is not None and getattr(reading, part) is not None
        return "found by --check" if found_out else otherwise

    used = file.best if reading.rounds == "best" and source.stopped_early else file.n_rounds
    rounds = f"{used} of {file.n_rounds}"
    estimator = "an estimator predicts by its best round"
    found = [
        _columns(source, request),
        Assumption("rounds", rounds, why("rounds", "all that there are", estimator)),
        Assumption("missing", *_marker(reading, source, why)),
        Assumption("null", *_null(reading, encoder, why)),
        *_of_nulls(encoder),
        *_of_file(source),
    ]
    if "absent" in source.choices and reading.absent:
        dense = "the DictVectorizer is dense"
        found.append(Assumption("no entry", reading.absent, why("absent", "assumed", dense)))
        unknown = reading.unknown or "refuse"
        found.append(
            Assumption(
                "unknown category", unknown, why("unknown", "assumed (--unknown zero|refuse)")
            )
        )
    return found


def _of_nulls(encoder: Encoder) -> list[Assumption]:
    """Fields whose null is a category of the model, by that category's name."""
    found = []
    for step in encoder.steps:
        if isinstance(step, OneHot) and step.null is not None:
            (text,) = (text for text, column in step.columns.items() if column == step.null)
            found.append(Assumption(f"null of {step.field}", f"category {text}", "its name"))
    return found


def _of_file(source: Source) -> list[Assumption]:
    """What the service takes or gives in another way than the user's own code may."""
    file = source.file
    found = []
    if objective_of(file.objective).predicts_margins:
        own = "its own predict and predict_proba give the margin"
        found.append(Assumption("probability", "sigmoid of the margin", own))
    given = {r.name for r in source.rules if r.field.categories or r.field.codes}
    names = [source.features[column] for column in sorted(file.textless)]
    if coded := [name for name in names if name not in given]:
        why = f"assumed: XGBoost {file.version} kept no categories (--fields FILE)"
        found.append(Assumption("categories", f"codes from 0, of {some_of(coded)}", why))
    return found


def _columns(source: Source, request: ImportRequest) -> Assumption:
    names = "the booster's own names" if source.file.features else "as given, in this order"
    if source.vectorizer:
        names = "the DictVectorizer's names"
    return Assumption("columns", f"{len(source.features)}, {names}", _whose_order(source, request))


def _marker(reading: Reading, source: Source, why: Callable[[str, str], str]) -> tuple[str, str]:
    """What means missing, and whose word that is."""
    assumed = "assumed (--missing NUMBER)"
    if source.file.estimator:
        assumed = "assumed: no file keeps an estimator's missing= (--missing NUMBER, --check FILE)"
    marked = reading.missing is not None and not math.isnan(reading.missing)
    return f"NaN and {reading.missing:g}" if marked else "NaN alone", why("missing", assumed)


def _null(reading: Reading, encoder: Encoder, why: Callable[[str, str], str]) -> tuple[str, str]:
    """What null becomes, and whose word that is."""
    if reading.null is None and any(field.nullable for field in encoder.fields):
        return f"{encoder.null}, where a field takes it", "assumed (--null missing|zero)"
    return reading.null or "refused", why("null", "assumed (--null missing|zero)")


def _whose_order(source: Source, request: ImportRequest) -> str:
    if source.file.features:
        return "the booster has names"
    if request.check is not None:
        return "--check"
    return "assumed: nothing has checked the order (--check FILE)"
