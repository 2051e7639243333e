"""The whole application in one ONNX file: the service's own answers, wherever it is run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import bentoml
import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime as ort
import pytest
import xgboost

import bentoml_ext
from bentoml_ext.backends.onnx_session import session
from bentoml_ext.boosters.xgb.confirm import read
from bentoml_ext.decisions.deciding import default_policy
from bentoml_ext.decisions.policy import Band, Classes
from bentoml_ext.encoders.encoder import Application, Encoder, Field
from bentoml_ext.errors import ConfigError, ProofFailed
from bentoml_ext.export.graph.application import to_application_onnx
from bentoml_ext.objectives.base import Objective
from bentoml_ext.objectives.table import objective_of
from bentoml_ext.proof.record import PROOF
from bentoml_ext.proving.application_graph import feed, prove_application_graph
from bentoml_ext.store.bundle import BOOSTER, Bundle
from models.fields import FIELDS
from tests.proving.mutations import MUTATIONS, mutated
from tests.support import small, tasks
from tests.support.commands import bentoml_command

OUTPUTS = ["margin", "probability", "decision"]


@pytest.fixture(scope="module")
def bundle(credit_model: bentoml.Model) -> Bundle:
    return bentoml_ext.load_bundle(credit_model)


@pytest.fixture(scope="module")
def exported(
    home: Path, credit_model: bentoml.Model, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    file = tmp_path_factory.mktemp("whole") / "credit.onnx"

    done = bentoml_command(
        home, "ext", "export", str(credit_model.tag), "--with-encoder", "-o", file
    )

    assert done.returncode == 0, done.stderr
    assert "bit for bit on 1 and 2 threads" in done.stdout
    return file


Answers = tuple[npt.NDArray[np.float32], npt.NDArray[np.float32], list[str]]


@pytest.fixture(scope="module")
def answers(held_out: list[Application], credit_model: bentoml.Model) -> Answers:
    """What the service answers on XGBoost."""
    scorer = bentoml_ext.load_model(credit_model, "xgboost")
    found = scorer.classify_batch(held_out)
    margins = np.array([one.margin for one in found], np.float32)
    probabilities = np.array([one.probability for one in found], np.float32)
    return margins, probabilities, [one.status for one in found]


@pytest.fixture(scope="module")
def running(exported: Path, request: pytest.FixtureRequest) -> ort.InferenceSession:
    """The exported file with so many intra-op threads."""
    return session(onnx.load(exported), request.param)


def run(
    running: ort.InferenceSession, encoder: Encoder, some: list[Application], batch: int
) -> list[npt.NDArray[Any]]:
    parts = [
        running.run(OUTPUTS, feed(encoder, some[start : start + batch]))
        for start in range(0, len(some), batch)
    ]
    return [np.concatenate(columns)[:, 0] for columns in zip(*parts, strict=True)]


@pytest.mark.parametrize("running", [1, 2, 4], indirect=True, ids="{} threads".format)
@pytest.mark.parametrize("batch", [1, 7, 64, 891])
def test_real_applications_get_the_services_answers(
    running: ort.InferenceSession,
    bundle: Bundle,
    held_out: list[Application],
    answers: Answers,
    batch: int,
) -> None:
    margins, probabilities, decisions = run(running, bundle.encoder, held_out, batch)

    small.assert_same_bits(expected=answers[0], got=margins)
    small.assert_same_bits(expected=answers[1], got=probabilities)
    assert decisions.tolist() == answers[2]


def test_the_file_passes_the_checker_and_says_what_it_is(
    exported: Path, bundle: Bundle, credit_model: bentoml.Model
) -> None:
    model = onnx.load(exported)

    onnx.checker.check_model(model, full_check=True)
    told = {one.key: one.value for one in model.metadata_props}
    assert model.producer_name == "bentoml_ext"
    assert told["bentoml_ext.model"] == str(credit_model.tag)
    assert json.loads(told["bentoml_ext.policy"])["key"] == "Status"
    assert told["bentoml_ext.proof_sha256"] == bundle.manifest.files[PROOF].sha256
    assert told["bentoml_ext.booster_sha256"] == bundle.manifest.files[BOOSTER].sha256


def test_it_takes_the_raw_fields_by_name(exported: Path) -> None:
    inputs = session(onnx.load(exported), 1).get_inputs()

    assert {one.name: (one.type, one.shape) for one in inputs} == {
        field.name: ("tensor(string)" if field.categories else "tensor(float)", ["n", 1])
        for field in FIELDS
    }


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("home", "castle"),
        ("home", ""),
        ("job", "Fixed"),
        ("age", None),
        ("age", -1),
        ("income", 99_999_999),
        ("price", np.inf),
        ("price", 1e39),
    ],
)
def test_what_the_service_refuses_is_invalid_and_its_neighbours_are_not(
    exported: Path, bundle: Bundle, held_out: list[Application], field: str, value: Any
) -> None:
    some = [held_out[0], {**held_out[1], field: value}, held_out[2]]
    running = session(onnx.load(exported), 1)

    margins, probabilities, decisions = run(running, bundle.encoder, some, 3)

    assert np.isnan(margins).tolist() == np.isnan(probabilities).tolist() == [False, True, False]
    assert (decisions == "INVALID").tolist() == [False, True, False]


def test_null_is_what_training_made_of_it(
    exported: Path, bundle: Bundle, held_out: list[Application]
) -> None:
    some: list[Application] = [{**held_out[0], "income": value} for value in (None, 0)]
    running = session(onnx.load(exported), 1)

    margins, _, _ = run(running, bundle.encoder, some, 2)

    assert margins[0] == margins[1]


ENCODERS = {
    "gaps are missing": Encoder(small.FEATURES, absent="missing", null="missing"),
    "another order of fields": Encoder(
        small.FEATURES, [Field("income", nullable=True), Field("home", ("x",)), Field("age")]
    ),
    "a category may be null": Encoder(
        small.FEATURES, [Field("age"), Field("home", ("x",), nullable=True), Field("income")]
    ),
}


@pytest.mark.parametrize("name", ENCODERS)
def test_every_kind_of_encoder_is_exported_and_proven(name: str) -> None:
    booster, encoder = small.booster(), ENCODERS[name]
    policy = small.policy("answer", (Band(0.4, "NO"),), "YES")

    proof = prove_application_graph(
        to_application_onnx(booster, encoder, policy), booster, encoder, policy
    )

    assert proof.applications > 1000
    assert proof.refused > 0


def test_columns_in_no_order_are_put_in_order() -> None:
    features = ("home=rent", "income", "home=owner", "age")
    booster, encoder = small.booster(), Encoder(features)

    proof = prove_application_graph(
        to_application_onnx(booster, encoder, small.policy()), booster, encoder, small.policy()
    )

    assert proof.applications > 1000


@pytest.mark.parametrize("name", ["threshold", "leaf", "mode", "direction"])
def test_a_wrong_tree_is_found_before_it_is_written(name: str) -> None:
    booster, encoder = small.booster(), small.encoder()
    model = mutated(to_application_onnx(booster, encoder, small.policy()), MUTATIONS[name][0])

    with pytest.raises(ProofFailed, match=r"tree \d, .*Nothing was written"):
        prove_application_graph(model, booster, encoder, small.policy())


def test_a_wrong_operator_is_found_before_it_is_written() -> None:
    booster, encoder = small.booster(), small.encoder()
    model = to_application_onnx(booster, encoder, small.policy())
    (scan,) = [one for one in model.graph.node if one.op_type == "Scan"]
    (body,) = [one.g for one in scan.attribute if one.name == "body"]
    (node,) = [one for one in body.node if one.op_type == "CumSum"]
    node.attribute.append(onnx.helper.make_attribute("exclusive", 1))

    with pytest.raises(ProofFailed, match=r"Expected margin .* Nothing was written"):
        prove_application_graph(model, booster, encoder, small.policy())


def test_a_model_whose_margin_is_no_log_odds_is_refused() -> None:
    booster = small.booster(objective="reg:squarederror")

    with pytest.raises(ConfigError, match="reg:squarederror"):
        to_application_onnx(booster, small.encoder(), small.policy())


@pytest.mark.parametrize(
    "kind", ["prices", "counts", "time", "quantiles", "classes", "class alone", "hinge", "vectors"]
)
def test_a_model_of_every_task_is_exported_and_proven(kind: str) -> None:
    booster, encoder = tasks.booster_of(kind), small.encoder()
    policy = tasks.TASKS[kind].policy or default_policy(*read_of(booster))
    model = to_application_onnx(booster, encoder, policy)

    proof = prove_application_graph(model, booster, encoder, policy)

    assert proof.refused > 0
    assert proof.applications > 1_000


def read_of(booster: xgboost.Booster) -> tuple[Objective, int]:
    """The objective, and the margins of a row."""
    _, ensemble = read(booster)
    return objective_of(ensemble.objective, ensemble.transform), ensemble.n_targets


def test_labels_in_another_order_are_found_before_they_are_written() -> None:
    booster, encoder = tasks.booster_of("classes"), small.encoder()
    model = to_application_onnx(booster, encoder, Classes(("a", "b", "c")))

    with pytest.raises(ProofFailed, match=r"Expected prediction a, got b .* Nothing was written"):
        prove_application_graph(model, booster, encoder, Classes(("b", "a", "c")))


def test_a_decision_called_as_the_refusal_is_refused() -> None:
    with pytest.raises(ConfigError, match="no answer 'INVALID'"):
        to_application_onnx(
            tasks.booster_of("classes"), small.encoder(), Classes(("INVALID", "b", "c"))
        )
