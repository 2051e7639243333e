"""The proof says what the trainer's predictions said; what serves is compared with them, too."""

from __future__ import annotations

import json
from pathlib import Path

import bentoml
import msgspec
import numpy as np
import pytest

import bentoml_ext
from bentoml_ext.acceptance import Check, accept, confirm
from bentoml_ext.backends.registry import form_names
from bentoml_ext.cli import render
from bentoml_ext.encoders.encoder import Application
from bentoml_ext.encoders.reading import Reading
from bentoml_ext.errors import NotAccepted
from bentoml_ext.proof.record import Acceptance, Proof
from bentoml_ext.scoring.opening import open_scorer
from bentoml_ext.scoring.self_test import load_proof
from bentoml_ext.store.bundle import Bundle
from models.training import Trained
from tests.acceptance.sources import Source

ACCEPTANCE = Acceptance(
    file="check.parquet",
    sha256="ab" * 32,
    rows=891,
    column="prediction",
    kind="probability",
    agreement="every bit equal",
    reading="--absent zero",
    note="5 rows are few.",
)


@pytest.fixture
def check(trained: Trained, held_out: list[Application]) -> Check:
    return Check.of(held_out, said(trained, held_out))


def said(trained: Trained, applications: list[Application]) -> np.ndarray:
    """What the trainer's own lines give."""
    import xgboost

    return np.asarray(trained.booster.predict(xgboost.DMatrix(trained.encoder.rows(applications))))


def test_the_trained_model_is_accepted_on_its_own_predictions(
    check: Check, trained: Trained
) -> None:
    source = Source(trained.booster, trained.encoder)

    found = accept(check, lambda _: source, Reading(), {}, trained.policy).acceptance

    assert str(found) == (f"accepted on {len(check)} of the trainer's predictions, every bit equal")
    assert found.sha256 == check.sha256


@pytest.mark.parametrize("backend", form_names())
def test_every_backend_of_a_stored_model_is_confirmed(
    check: Check, credit_model: bentoml.Model, backend: str
) -> None:
    scorer = open_scorer(Bundle(Path(credit_model.path)), backend)

    found = confirm(check, scorer)

    assert (found.rows, found.agreement) == (len(check), "every bit equal")


def test_another_prediction_is_not_confirmed(
    credit_model: bentoml.Model, trained: Trained, held_out: list[Application]
) -> None:
    scorer = open_scorer(Bundle(Path(credit_model.path)), "onnx")
    others = said(trained, held_out)
    others[5] = np.nextafter(others[5], np.float32(1))

    with pytest.raises(NotAccepted, match=r"at application 5 of memory\. 1 of \d+ rows differ"):
        confirm(Check.of(held_out, others), scorer)


def test_a_refused_application_is_not_confirmed(
    credit_model: bentoml.Model, held_out: list[Application]
) -> None:
    scorer = open_scorer(Bundle(Path(credit_model.path)), "onnx")
    wrong = [*held_out[:3], {**held_out[3], "home": "castle"}]

    with pytest.raises(NotAccepted, match=r"got .castle. - at field 'home', application 3 of me"):
        confirm(Check.of(wrong, np.full(4, 0.25)), scorer)


def test_a_proof_keeps_its_acceptance(credit_model: bentoml.Model) -> None:
    proof, _ = load_proof(Bundle(Path(credit_model.path)))
    accepted = msgspec.structs.replace(proof, acceptance=ACCEPTANCE)

    again = Proof.from_json(accepted.to_json())

    assert again.acceptance == ACCEPTANCE
    assert again.summary().acceptance == ACCEPTANCE


def test_a_proof_from_before_says_that_nothing_was_compared(credit_model: bentoml.Model) -> None:
    proof, _ = load_proof(Bundle(Path(credit_model.path)))
    before = json.loads(proof.to_json())
    del before["acceptance"]

    again = Proof.from_json(json.dumps(before).encode())

    assert again.acceptance is None
    assert render.accepted(again.acceptance).startswith("Not checked: nothing compared it")


def test_the_reports_say_how_a_model_was_accepted() -> None:
    assert render.accepted(ACCEPTANCE) == (
        "Accepted on 891 of the trainer's predictions, every bit equal: column 'prediction' of "
        "check.parquet, sha256 abababababab... Read with --absent zero. 5 rows are few."
    )


def test_inspect_says_that_nothing_has_checked_a_model(
    credit_model: bentoml.Model, capsys: pytest.CaptureFixture[str]
) -> None:
    render.show(render.inspected(credit_model, bentoml_ext.framework.load_bundle(credit_model)))

    assert "Not checked: nothing compared it" in capsys.readouterr().out
