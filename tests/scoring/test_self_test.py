"""A worker that would give another bit than was proven never becomes ready, and says why."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import bentoml
import httpx
import numpy as np
import pytest

import bentoml_ext
from bentoml_ext import export
from bentoml_ext.arrays import Margins, Rows
from bentoml_ext.backends.base import Backend
from bentoml_ext.decisions.policy import Band
from bentoml_ext.errors import BundleError, SelfTestFailed
from bentoml_ext.proof.record import PROOF
from bentoml_ext.proof.stored_rows import PROOF_ROWS, ProofRows
from bentoml_ext.scoring.opening import open_backend
from bentoml_ext.scoring.self_test import load_rows, self_test
from bentoml_ext.store.bundle import BOOSTER, GRAPH, POLICY, Bundle
from tests.support import small
from tests.support.commands import bentoml_command
from tests.support.sabotage import FAULTS, Patch
from tests.support.selftests import forged, swapped
from tests.support.servers import START_S, Server, serve

SERVICE = """
import bentoml_ext

svc = bentoml_ext.get_service("selftest_test:{version}", name="tested", workers=1)
"""


@pytest.fixture(scope="module")
def stored() -> bentoml.Model:
    return bentoml_ext.save_model("selftest_test", small.booster(), encoder=small.encoder())


@pytest.fixture
def folder(stored: bentoml.Model, tmp_path: Path) -> Path:
    return Path(shutil.copytree(stored.path, tmp_path / "bundle"))


def tampered(version: str) -> Path:
    """The folder of a new version in the store, to be spoilt."""
    tag = f"selftest_test:{version}"
    return Path(bentoml_ext.save_model(tag, small.booster(), encoder=small.encoder()).path)


def another_graph() -> bytes:
    graph: bytes = export.to_onnx(
        small.booster(seed=1), deterministic_threads=False, with_prediction=False
    ).SerializeToString()
    return graph


def fails_to_start(server: Server, message: str) -> None:
    """Wait until its log has the message, and a while longer: it is never ready."""
    # The socket is open before a worker is: a question then waits for an answer.
    server.client.timeout = httpx.Timeout(0.2)
    end = time.monotonic() + START_S
    while message not in server.log:
        server.must_run()
        assert not server.is_ready(), server.log
        assert time.monotonic() < end, server.log
        time.sleep(0.1)
    # A worker that failed is started anew: none of them may become ready.
    for _ in range(10):
        assert not server.is_ready(), server.log
        time.sleep(0.1)


@pytest.mark.parametrize("backend", ["auto", "onnx", "xgboost"])
def test_a_whole_bundle_passes_on_every_backend(stored: bentoml.Model, backend: str) -> None:
    bundle = Bundle(Path(stored.path))

    passed = self_test(bundle, open_backend(bundle, backend))

    assert passed.rows == len(load_rows(bundle).rows) > 200


def test_another_models_graph_is_told_by_what_was_expected_and_what_came(folder: Path) -> None:
    forged(folder, GRAPH, another_graph())
    bundle = Bundle(folder)

    with pytest.raises(
        SelfTestFailed,
        match=r"margin -?0x\S+, got -?0x\S+ - at proof row \d+, backend 'onnx', in a batch",
    ):
        self_test(bundle, open_backend(bundle, "onnx"))


class OneRow(Backend):
    """Right in a batch, and wrong on its way for one row."""

    name = "one_row"
    filename = BOOSTER

    def __init__(self, path: Path) -> None:
        self._expected = load_rows(Bundle(path.parent)).margins

    def margins(self, rows: Rows) -> Margins:
        return self._expected.copy() if len(rows) > 1 else np.zeros((len(rows), 1), np.float32)


def test_the_way_for_one_row_is_tested_too(folder: Path) -> None:
    with pytest.raises(SelfTestFailed, match=r"backend 'one_row', one by one"):
        self_test(Bundle(folder), OneRow(folder / BOOSTER))


def test_a_sigmoid_of_another_machine_is_noticed(folder: Path) -> None:
    rows = load_rows(Bundle(folder))
    assert rows.predictions is not None
    other = np.nextafter(rows.predictions, np.float32(1))
    forged(folder, PROOF_ROWS, ProofRows(rows.rows, rows.margins, other).to_npy())
    bundle = Bundle(folder)

    with pytest.raises(SelfTestFailed, match=r"Expected probability 0x\S+, got .* the sigmoid"):
        self_test(bundle, open_backend(bundle, "onnx"))


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_a_worker_that_answers_wrongly_does_not_become_ready(
    fault: Callable[[Patch], None], folder: Path, monkeypatch: Patch
) -> None:
    bundle = Bundle(folder)
    fault(monkeypatch)

    with pytest.raises(SelfTestFailed, match="the decider"):
        self_test(bundle, open_backend(bundle, "onnx"))


@pytest.mark.parametrize("name", ["probabilities", "probability"])
def test_both_sigmoids_are_tested(name: str, folder: Path, monkeypatch: Patch) -> None:
    bundle = Bundle(folder)
    monkeypatch.setattr(f"bentoml_ext.scoring.self_test.{name}", lambda margin: margin * 0)

    with pytest.raises(SelfTestFailed, match="the sigmoid"):
        self_test(bundle, open_backend(bundle, "onnx"))


@pytest.mark.parametrize("name", [PROOF, PROOF_ROWS])
def test_a_cut_proof_is_refused_by_checksum(folder: Path, name: str) -> None:
    (folder / name).write_bytes((folder / name).read_bytes()[:-1])

    with pytest.raises(BundleError, match=f"{name}.*changed or cut"):
        Bundle(folder)


def test_a_server_with_another_models_graph_never_becomes_ready(home: Path, tmp_path: Path) -> None:
    # Every checksum fits, those of the proof too: only the answers do not.
    forged(tampered("swapped"), GRAPH, another_graph())
    (tmp_path / "tested.py").write_text(SERVICE.format(version="swapped"))

    wait = partial(fails_to_start, message="Self-test failed: ")
    with serve(home, "tested:svc", cwd=tmp_path, wait=wait) as server:
        line = next(line for line in server.log.splitlines() if "Self-test failed: " in line)

    assert "Expected margin " in line
    assert ", got " in line
    assert "at proof row" in line


def cut(folder: Path) -> None:
    """The graph, less its last byte."""
    (folder / GRAPH).write_bytes((folder / GRAPH).read_bytes()[:-1])


def milder(folder: Path) -> None:
    """A policy that declines nobody below 0.9, under checksums that fit."""
    policy = small.policy(bands=(Band(0.9, "DECLINED"), Band(0.3, "MAYBE")))
    swapped(folder, POLICY, policy.to_json())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (cut, "changed or cut after it was stored"),
        (milder, "Expected sha256 of policy.json as it was proven"),
    ],
)
def test_a_version_that_was_tampered_with_is_neither_served_nor_called_proven(
    change: Callable[[Path], None], message: str, home: Path, tmp_path: Path
) -> None:
    version = change.__name__
    change(tampered(version))
    (tmp_path / "tested.py").write_text(SERVICE.format(version=version))

    with serve(home, "tested:svc", cwd=tmp_path, wait=partial(fails_to_start, message=message)):
        pass
    for command in ("inspect", "verify"):
        done = bentoml_command(home, "ext", command, f"selftest_test:{version}")
        assert (done.returncode, done.stdout) == (1, "")
        assert message in done.stderr


def test_a_ready_server_tells_of_its_proof(
    onnx_server: Server, credit_model: bentoml.Model
) -> None:
    bundle = bentoml_ext.load_bundle(credit_model)

    told = onnx_server.client.get("/model").json()

    assert told["proof"]["holds"] is True
    assert told["proof"]["compared"] == told["proof"]["equal"] > 400_000
    assert told["proof"]["decision_flips"] == told["proof"]["largest_gap_ulp"] == 0
    assert told["proof"]["subjects"] == ["DMatrix", "onnx", "xgboost"]
    assert told["proof"]["sha256"] == bundle.manifest.files[PROOF].sha256
    assert told["self_test"]["rows"] == len(load_rows(bundle).rows)
