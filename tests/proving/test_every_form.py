"""A proof looks at every split and every way to score, and says on what it was made."""

from __future__ import annotations

import hashlib
import io
from typing import Any

import bentoml
import msgspec
import numpy as np
import pytest
import xgboost

import bentoml_ext
from bentoml_ext import export
from bentoml_ext.arrays import Margins, Rows
from bentoml_ext.backends.onnx_runtime import OnnxRuntimeBackend
from bentoml_ext.backends.registry import BACKENDS, BackendSpec
from bentoml_ext.boosters import reference
from bentoml_ext.boosters.ensemble import Trees
from bentoml_ext.boosters.xgb.confirm import read
from bentoml_ext.encoders.encoder import Application
from bentoml_ext.errors import BundleError, InvalidApplication
from bentoml_ext.proof.record import PROOF, Proof
from bentoml_ext.proof.stored_rows import PROOF_ROWS, ProofRows
from bentoml_ext.proving.every_form import prove
from bentoml_ext.proving.proven import Proven
from bentoml_ext.proving.row_sampler import Sampler
from bentoml_ext.store.bundle import BOOSTER, ENCODER, GRAPH, POLICY, Bundle
from models.training import Trained
from tests.support import small


class OneOff(OnnxRuntimeBackend):
    """A backend of another package that is wrong in the last bit of large batches."""

    name = "one_off"

    def margins(self, rows: Rows) -> Margins:
        margins = super().margins(rows)
        if len(rows) > 1000:
            margins[-1] = np.nextafter(margins[-1], np.float32(np.inf))
        return margins


def proven(booster: xgboost.Booster, **how: Any) -> Proven:
    graph = export.to_onnx(booster, deterministic_threads=False, with_prediction=False)
    files = {BOOSTER: bytes(booster.save_raw("ubj")), GRAPH: graph.SerializeToString()}
    options: dict[str, Any] = {"encoder": small.encoder(), "random_rows": 5_000}
    return prove(booster, files, **(options | how))


@pytest.fixture(scope="module")
def course(trained: Trained, held_out: list[Application]) -> Proof:
    """The proof of the course's model."""
    how = {"encoder": trained.encoder, "policy": trained.policy, "random_rows": 100_000}
    return proven(trained.booster, applications=held_out, **how).proof


def test_the_course_model_is_proven_in_every_part(course: Proof) -> None:
    parts = {(part.name, part.subject): part for part in course.parts}

    assert course.holds
    assert course.difference is None
    assert {name for name, subject in parts if subject == "onnx"} == {
        "structure", "boundary", "extremes", "random", "single", "applications", "requests",
    }  # fmt: skip
    assert {subject for _, subject in parts} == {"onnx", "xgboost", "DMatrix", "service"}
    assert {name for name, subject in parts if subject == "service"} == {
        "answers", "columns", "crossings", "lines", "sigmoid",
    }  # fmt: skip
    assert parts["answers", "service"].checked == parts["random", "onnx"].checked + sum(
        parts[name, "onnx"].checked for name in ("boundary", "extremes", "applications")
    )
    assert parts["random", "onnx"].checked == 100_000
    assert parts["applications", "onnx"].checked == 1_891
    assert all(part.share == 1 and not part.largest_gap_ulp for part in course.parts)
    assert not any(part.decision_flips for part in course.parts)


def test_boundary_rows_come_to_every_split_and_every_leaf(trained: Trained) -> None:
    _, ensemble = read(trained.booster)
    trees, sampler = ensemble.model, Sampler(ensemble)
    assert isinstance(trees, Trees)

    rows = np.concatenate(list(sampler.boundary()))

    leaves = reference.leaves(trees, rows)
    own = np.repeat(trees.tree_of_node[sampler.splits], 4)
    on, below, above, _ = leaves[np.arange(len(rows)), own].reshape(-1, 4).T
    assert len(sampler.splits) == (~trees.is_leaf).sum()
    # Below goes left; the threshold itself and what is above go right.
    assert (on != below).all()
    assert (on == above).mean() > 0.95
    assert set(np.unique(leaves)) == set(np.flatnonzero(trees.is_leaf))


def test_the_stored_rows_come_to_every_leaf_of_the_course_model(
    trained: Trained, credit_model: bentoml.Model
) -> None:
    _, ensemble = read(trained.booster)
    assert isinstance(ensemble.model, Trees)

    stored = ProofRows.from_npy(bentoml_ext.load_bundle(credit_model).file(PROOF_ROWS))

    leaves = reference.leaves(ensemble.model, stored.rows)
    assert set(np.unique(leaves)) == set(np.flatnonzero(ensemble.model.is_leaf))


def test_a_proof_says_what_it_was_made_of() -> None:
    found = proven(small.booster())

    plain = msgspec.json.decode(found.proof.to_json())
    assert plain["holds"] is True
    assert all(part["equal_share"] == 1 for part in plain["parts"])
    assert plain["versions"].keys() >= {"python", "c library", "xgboost", "onnxruntime", "numpy"}
    assert plain["versions"]["xgboost"] == xgboost.__version__
    assert plain["machine"].keys() == {
        "system", "machine", "processor", "extensions", "processors",
    }  # fmt: skip
    raw = bytes(small.booster().save_raw("ubj"))
    assert plain["files"][BOOSTER] == hashlib.sha256(raw).hexdigest()
    assert Proof.from_json(found.proof.to_json()) == found.proof


KINDS: dict[str, dict[str, Any]] = {
    "dart": {"booster": "dart", "rate_drop": 0.3},
    "gblinear": {"booster": "gblinear"},
    "forest": {"num_parallel_tree": 3, "subsample": 0.5},
    "no trees": {"rounds": 0, "base_score": 0.3},
    "regression": {"objective": "reg:squarederror"},
    "logitraw": {"objective": "binary:logitraw"},
    "three classes": {"objective": "multi:softprob", "num_class": 3},
}


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("name", KINDS)
def test_other_kinds_of_boosters_are_proven(name: str) -> None:
    proof = proven(small.booster(**KINDS[name])).proof

    assert proof.holds, proof.reason


def test_the_same_seed_gives_the_same_stored_rows() -> None:
    first, again = (proven(small.booster()).rows.to_npy() for _ in range(2))
    other = proven(small.booster(), seed=1).rows.to_npy()

    assert first == again != other


def test_stored_rows_come_back_with_the_boosters_answers() -> None:
    booster = small.booster()

    rows = ProofRows.from_npy(proven(booster).rows.to_npy())

    margins = booster.inplace_predict(rows.rows, predict_type="margin")
    assert 200 < len(rows.rows) <= 320
    small.assert_same_bits(expected=margins, got=rows.margins[:, 0])
    assert rows.predictions is not None
    small.assert_same_bits(expected=booster.inplace_predict(rows.rows), got=rows.predictions[:, 0])


def test_no_real_application_is_stored() -> None:
    real: list[Application] = [{"age": 41.25 + i, "home": "rent", "income": 1.5} for i in range(50)]

    rows = proven(small.booster(), applications=real).rows.rows

    encoded = {row.tobytes() for row in small.encoder().rows(real)}
    assert not encoded & {row.tobytes() for row in rows}


def test_an_application_that_must_not_be_scored_is_refused() -> None:
    with pytest.raises(InvalidApplication, match="application 1"):
        proven(small.booster(), applications=[small.APPLICATION, {"age": "old"}])


def test_stored_rows_with_objects_are_not_unpickled() -> None:
    file = io.BytesIO()
    np.save(file, np.array([{"a": 1}], object), allow_pickle=True)

    with pytest.raises(BundleError, match=r"Expected rows of a proof.*allow_pickle=False"):
        ProofRows.from_npy(file.getvalue())


@pytest.mark.parametrize("data", [b"", b"[]", b"\xff", b"{}"], ids=repr)
def test_what_is_no_proof_is_refused(data: bytes) -> None:
    with pytest.raises(BundleError, match=r"proof\.json"):
        Proof.from_json(data)
    with pytest.raises(BundleError, match=r"proof\.npy"):
        ProofRows.from_npy(data)


def test_progress_rises_to_all_rows() -> None:
    seen: list[tuple[int, int]] = []

    proven(small.booster(), on_progress=lambda done, total: seen.append((done, total)))

    assert len({total for _, total in seen}) == 1
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    assert seen[-1][0] == seen[-1][1]


def test_a_proof_leaves_the_booster_as_it_was() -> None:
    booster = small.booster(nthread=2)
    before = booster.save_config()

    proven(booster)

    assert booster.save_config() == before


def test_a_backend_of_another_package_is_judged_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(BACKENDS, "one_off", BackendSpec(f"{__name__}:OneOff"))

    proof = proven(small.booster()).proof

    assert {part.subject for part in proof.parts if not part.holds} == {"one_off"}
    assert proof.difference is not None
    assert proof.difference.subject == "one_off"
    assert (proof.difference.what, proof.difference.part) == ("margin", "random")


def test_a_saved_model_carries_its_proof(credit_model: bentoml.Model) -> None:
    bundle = bentoml_ext.load_bundle(credit_model)

    proof = Proof.from_json(bundle.file(PROOF))
    assert proof.holds
    assert proof.files == {
        name: bundle.manifest.files[name].sha256
        for name in (BOOSTER, ENCODER, GRAPH, POLICY, PROOF_ROWS)
    }
    assert proof.facts["n_trees"] == bundle.manifest.n_trees == 175
    assert proof.stored_rows == len(ProofRows.from_npy(bundle.file(PROOF_ROWS)).rows)
    assert isinstance(bundle, Bundle)
