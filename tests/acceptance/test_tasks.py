"""Checks of values and classes: a model of every task is accepted on its trainer's predictions."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
import pytest
import xgboost

import bentoml_ext
from bentoml_ext.acceptance import Check
from bentoml_ext.encoders.reading import Reading
from bentoml_ext.errors import NotAccepted
from bentoml_ext.importers import importing
from bentoml_ext.proof.record import Acceptance
from tests.support import small, tasks

RANDOM: Final = np.random.default_rng(5)
APPLICATIONS: Final = pd.DataFrame(
    {
        "age": RANDOM.normal(size=60).round(2),
        "home": RANDOM.choice(["rent", "owner"], 60),
        "income": RANDOM.normal(size=60).round(2),
    }
)
LABELS: Final = np.array(["ada", 'b "c"', "ünder"])


def own(kind: str) -> Any:
    """The booster's own predictions of the applications."""
    rows = small.encoder().rows(APPLICATIONS.to_dict(orient="records"))
    return tasks.booster_of(kind).predict(xgboost.DMatrix(rows))


def accepted(kind: str, said: Any, prediction: str | None = None) -> Acceptance:
    """What a check found when a model was stored with it."""
    check = said
    if not isinstance(said, Path):
        check = Check.of(APPLICATIONS.to_dict(orient="records"), said)
    stored = bentoml_ext.save_model(
        "acceptance_tasks",
        tasks.booster_of(kind),
        encoder=small.encoder(),
        policy=tasks.TASKS[kind].policy,
        check=check,
        prediction=prediction,
    )
    found = bentoml_ext.load_bundle(stored).proof.acceptance
    assert found is not None
    return found


@pytest.mark.parametrize("kind", ["prices", "counts", "quantiles", "targets", "classes", "risk"])
def test_a_models_own_predictions_are_accepted_by_their_bits(kind: str) -> None:
    found = accepted(kind, own(kind))

    assert (found.rows, found.agreement) == (60, "every bit equal")
    assert found.kind == ("probability" if kind == "classes" else "prediction")


@pytest.mark.parametrize(
    ("kind", "say", "agreement"),
    [
        ("prices", lambda p: p.round(2).astype(float), "rounded to 2 decimals"),
        ("counts", lambda p: p.astype(float) * (1 + 1e-7), "within 1e-05 of their size"),
        ("classes", lambda p: LABELS[p.argmax(axis=1)], "every label equal"),
        ("classes", lambda p: np.char.upper(LABELS[p.argmax(axis=1)]), "but for capitals"),
        ("classes", lambda p: p.argmax(axis=1), "every index of a class equal"),
        ("hinge", lambda p: np.where(p > 0, "yes", "no"), "every label equal"),
        ("class alone", lambda p: p.astype(int), "every label equal"),
    ],
)
def test_predictions_of_every_kind_are_recognised(
    kind: str, say: Callable[..., Any], agreement: str
) -> None:
    assert accepted(kind, say(own(kind))).agreement.endswith(agreement)


def test_margins_are_recognised_where_they_are_not_the_predictions() -> None:
    rows = small.encoder().rows(APPLICATIONS.to_dict(orient="records"))
    margins = tasks.booster_of("counts").predict(xgboost.DMatrix(rows), output_margin=True)

    assert accepted("counts", margins).kind == "margin"


@pytest.mark.parametrize(
    "say",
    [
        lambda p: np.nextafter(p, np.float32(np.inf)),
        lambda p: p + np.float32(0.5),
        lambda p: np.roll(p, 1, axis=0),
    ],
)
@pytest.mark.parametrize("kind", ["prices", "quantiles", "classes"])
def test_other_predictions_are_refused_and_nothing_stored(
    kind: str, say: Callable[..., Any]
) -> None:
    with pytest.raises(NotAccepted, match=r"Expected the trainer's .* of 60 rows differ"):
        accepted(kind, say(own(kind)))


def test_a_label_of_another_class_is_refused() -> None:
    said = LABELS[own("classes").argmax(axis=1)]
    said[7] = LABELS[(own("classes")[7].argmax() + 1) % 3]

    with pytest.raises(NotAccepted, match=r"application 7 of memory\. 1 of 60 rows differ"):
        accepted("classes", said)


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("prices", np.array(["low"] * 60)),
        ("prices", np.zeros((60, 2))),
        ("quantiles", np.zeros(60)),
        ("classes", np.array(["other"] * 60)),
        ("classes", np.full(60, 0.25)),
        ("hinge", np.zeros((60, 2))),
    ],
)
def test_what_no_prediction_of_the_task_looks_like_is_refused(kind: str, said: Any) -> None:
    with pytest.raises((NotAccepted, bentoml_ext.errors.UnreadableInput), match="Expected "):
        accepted(kind, said)


@pytest.mark.parametrize("suffix", ["csv", "parquet", "json"])
@pytest.mark.parametrize("kind", ["prices", "quantiles", "classes"])
def test_files_hold_one_prediction_or_several_beside_each_other(
    tmp_path: Path, kind: str, suffix: str
) -> None:
    frame = APPLICATIONS.copy()
    numbers = own(kind).reshape(60, -1)
    names = [f"p{at}" if numbers.shape[1] > 1 else "prediction" for at in range(numbers.shape[1])]
    frame[names] = numbers
    path = tmp_path / f"check.{suffix}"
    write = {
        "csv": lambda: frame.to_csv(path, index=False),
        "parquet": lambda: frame.to_parquet(path),
        "json": lambda: frame.to_json(path, orient="records", lines=True, double_precision=15),
    }
    write[suffix]()

    assert accepted(kind, path).agreement == "every bit equal"
    assert accepted(kind, path, ",".join(names)).column == ", ".join(names)


def test_an_import_finds_what_the_rows_show(tmp_path: Path) -> None:
    booster = tasks.booster_of("classes")
    booster.save_model(tmp_path / "model.ubj")
    (tmp_path / "features.json").write_text('["age", "home=owner", "home=rent", "income"]')
    (tmp_path / "policy.json").write_bytes(tasks.TASKS["classes"].policy.to_json())  # type: ignore[union-attr]
    frame = APPLICATIONS.assign(prediction=LABELS[own("classes").argmax(axis=1)])
    frame.to_parquet(tmp_path / "check.parquet")

    stored = importing.import_model(
        importing.ImportRequest(
            str(tmp_path / "model.ubj"),
            tmp_path / "features.json",
            policy=tmp_path / "policy.json",
            check=tmp_path / "check.parquet",
            # Training saw missing numbers, and none of these rows has one.
            reading=Reading(null="missing"),
        ),
        "acceptance_imported",
    )

    bundle = bentoml_ext.load_bundle(stored)
    assert bundle.manifest.origin is not None
    assert "absent zero" in bundle.manifest.origin.reading
    assert bundle.proof.acceptance is not None
    answers = bentoml_ext.load_model(stored).classify_batch(APPLICATIONS.to_dict(orient="records"))
    assert [answer["kind" if "kind" in answer else "prediction"] for answer in answers] == list(
        frame.prediction
    )
