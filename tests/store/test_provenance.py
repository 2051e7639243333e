"""The bits carry a version: which XGBoost made a model, which proved it, and which serves it."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
import xgboost

import bentoml_ext
from bentoml_ext import export
from bentoml_ext.encoders.reading import Reading
from bentoml_ext.importers.importing import ImportRequest, import_model
from bentoml_ext.proof.record import Proof
from bentoml_ext.proving.verify import verify_file
from bentoml_ext.store.bundle import Manifest
from bentoml_ext.store.origin import Origin
from bentoml_ext.store.provenance import Provenance
from tests.support import small
from tests.support.commands import bentoml_command, python_code
from tests.support.servers import serve

HERE = xgboost.__version__
NEWER = "99.10.1"

STORE = """
import bentoml_ext
from tests.support import small
bentoml_ext.save_model("provenance_test", small.booster(), encoder=small.encoder())
"""
SERVICE = """
import bentoml_ext
svc = bentoml_ext.get_service("provenance_test:latest", name="tested", workers=1)
"""


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with a model that an XGBoost of tomorrow made and proved, and a service for it."""
    folder = tmp_path_factory.mktemp("provenance")
    # What an installation says of itself; found first on the path.
    (folder / "newer" / f"xgboost-{NEWER}.dist-info").mkdir(parents=True)
    metadata = folder / "newer" / f"xgboost-{NEWER}.dist-info" / "METADATA"
    metadata.write_text(f"Metadata-Version: 2.1\nName: xgboost\nVersion: {NEWER}\n")
    (folder / "service.py").write_text(SERVICE)
    (folder / "home").mkdir()
    ended = python_code(STORE, folder / "home", PYTHONPATH=str(folder / "newer"))
    assert ended.returncode == 0, ended.stderr
    return folder


@pytest.mark.parametrize(("backend", "said"), [("xgboost", True), ("auto", True), ("onnx", False)])
def test_an_older_xgboost_is_said_at_the_start_and_in_the_model(
    own: Path, backend: str, said: bool
) -> None:
    with serve(own / "home", "service:svc", cwd=own, BACKEND=backend) as server:
        told = server.client.get("/model").json()["xgboost"]

    assert told == {
        "made_with": NEWER,
        "proven_with": NEWER,
        "serving_with": HERE,
        "older": True,
    }
    lines = [line for line in server.log.splitlines() if "which is older" in line]
    assert len(lines) == said
    # ONNX Runtime scores without XGBoost.
    wanted = f"was made with XGBoost {NEWER}, proven with {NEWER}; here is {HERE}, which is older"
    assert all(wanted in line for line in lines)


def test_inspect_and_verify_tell_both(own: Path) -> None:
    inspected = bentoml_command(own / "home", "ext", "inspect", "provenance_test")
    verified = bentoml_command(own / "home", "ext", "verify", "provenance_test", "--rows", "10")

    told = f"made with XGBoost {NEWER}, proven with {NEWER}; here is {HERE}, which is older"
    assert told in inspected.stdout
    assert verified.returncode == 0, verified.stdout
    told = f"The model: made with XGBoost {NEWER}, proven with XGBoost {HERE} and ONNX Runtime "
    assert told in verified.stdout
    assert "; that XGBoost is older." in verified.stdout


def test_a_file_is_judged_with_the_version_that_it_names(tmp_path: Path) -> None:
    booster = small.booster()
    booster.save_model(tmp_path / "booster.json")
    graph = tmp_path / "graph.onnx"
    graph.write_bytes(export.to_onnx(booster).SerializeToString())

    proof = verify_file(graph, tmp_path / "booster.json", random_rows=10)

    assert proof.made_with == HERE
    assert proof.holds


@pytest.mark.parametrize(
    ("made", "proven", "older"),
    [
        (HERE, HERE, False),
        ("2.1.0", "2.1.0", False),
        (NEWER, HERE, True),
        (HERE, NEWER, True),
        ("", "", False),
        ("of an unknown version", HERE, False),
    ],
)
def test_older_is_by_numbers_and_by_both(made: str, proven: str, older: bool) -> None:
    origin = Origin("model.ubj", "", 0, "", [], xgboost=made)
    manifest = Manifest(2, "binary:logistic", 0, 0, [], {}, {"xgboost": HERE}, origin=origin)
    proof = Proof("", "", [], "", 0, 0, {"xgboost": proven}, {}, {})

    assert Provenance.of(manifest, proof).older is older


def test_a_model_of_before_says_which_xgboost_stored_it() -> None:
    manifest = Manifest(2, "binary:logistic", 0, 0, [], {}, {"xgboost": "2.1.4"})
    proof = Proof("", "", [], "", 0, 0, {"xgboost": "2.1.4"}, {}, {})

    found = Provenance.of(manifest, proof)

    assert str(found) == "made with XGBoost 2.1.4, proven with 2.1.4"


def test_an_imported_model_names_the_xgboost_of_its_own_file(tmp_path: Path) -> None:
    document = msgspec.json.decode(bytes(small.booster().save_raw("json")))
    document["version"] = [2, 1, 3]
    (tmp_path / "model.json").write_bytes(msgspec.json.encode(document))
    (tmp_path / "features").write_text("\n".join(small.FEATURES))
    reading = Reading(null="missing", absent="zero")
    request = ImportRequest(str(tmp_path / "model.json"), tmp_path / "features", reading)

    bundle = bentoml_ext.load_bundle(import_model(request, "provenance_imported"))

    told = Provenance.of(bundle.manifest, bundle.proof)
    assert str(told) == f"made with XGBoost 2.1.3, proven with {HERE}"
