"""Auto: the bits of every other backend, and for each number of rows the one that is fastest."""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import bentoml
import numpy as np
import pyarrow as pa
import pytest

import bentoml_ext
from bentoml_ext.arrays import Margins, Rows
from bentoml_ext.backends.auto import AutoBackend
from bentoml_ext.backends.base import Backend
from bentoml_ext.backends.crossover import Crossover
from bentoml_ext.backends.registry import BACKENDS, BackendSpec, form_names, require
from bentoml_ext.backends.xgboost_native import XGBoostBackend
from bentoml_ext.encoders.encoder import Application
from bentoml_ext.errors import BackendError, BackendMissing, ConfigError, SelfTestFailed
from bentoml_ext.proving.verify import verify_bundle
from bentoml_ext.scoring import scorer as scoring
from bentoml_ext.scoring.opening import open_backend, open_scorer
from bentoml_ext.scoring.self_test import load_proof, one_by_one, self_test
from bentoml_ext.serving.fastpath.endpoint import Named
from bentoml_ext.serving.fastpath.handlers import SingleHandler
from bentoml_ext.serving.streaming.codec import ARROW
from bentoml_ext.store.bundle import GRAPH, Bundle
from models.fields import EXAMPLE
from tests.support import small
from tests.support.selftests import forged
from tests.support.servers import START_S, Server, serve

OTHERS = ("onnx", "xgboost")


class Third(XGBoostBackend):
    """Slow for one row; exact as long as it is honest, and at once done when it is not."""

    name = "third"
    honest = True

    def margins(self, rows: Rows) -> Margins:
        return super().margins(rows) if self.honest else np.zeros((len(rows), 1), np.float32)

    def single(self, row: Rows, margins: Margins) -> Callable[[], None]:
        def call() -> None:
            time.sleep(0.001)
            margins[:] = self.margins(row)

        return call


class Constant(Backend):
    """Tells who was asked."""

    name = "constant"
    filename = "booster.ubj"

    def __init__(self, margin: Path | float) -> None:
        self._margin = margin

    def margins(self, rows: Rows) -> Margins:
        return np.full((len(rows), 1), self._margin, np.float32)


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    stored = bentoml_ext.save_model("auto_test", small.booster(), encoder=small.encoder())
    return bentoml_ext.load_bundle(stored)


@pytest.fixture
def third(monkeypatch: pytest.MonkeyPatch) -> None:
    """A third backend in the table."""
    monkeypatch.setitem(BACKENDS, "third", BackendSpec(f"{__name__}:Third"))


@pytest.fixture
def judged(third: None) -> Bundle:
    """A bundle whose proof has judged the third backend too."""
    stored = bentoml_ext.save_model("auto_third", small.booster(), encoder=small.encoder())
    return bentoml_ext.load_bundle(stored)


@pytest.fixture
def without_xgboost(monkeypatch: pytest.MonkeyPatch) -> None:
    # A cached backend module would hide the missing library.
    monkeypatch.delitem(sys.modules, "bentoml_ext.backends.xgboost_native")
    monkeypatch.setitem(sys.modules, "xgboost", None)


@pytest.fixture
def without_onnxruntime(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "bentoml_ext.backends.onnx_runtime", raising=False)
    monkeypatch.setitem(sys.modules, "onnxruntime", None)


def names(backend: Backend) -> list[str]:
    return [part.name for part in backend.members]


def steps(backend: Backend) -> list[tuple[int, str]]:
    """The table as GET /model tells it."""
    told = backend.describe()["crossover"]["steps"]
    return [(step["from_rows"], step["backend"]) for step in told]


@pytest.mark.parametrize("other", OTHERS)
@pytest.mark.parametrize("n", [0, 1, 2, 79, 80, 81, 5000])
def test_it_gives_the_bits_of_each_of_its_parts(bundle: Bundle, other: str, n: int) -> None:
    auto = open_backend(bundle, "auto", Crossover.parse("onnx:1,xgboost:80"))
    rows = small.rows(n, seed=n)

    margins = auto.margins(rows)

    small.assert_same_bits(expected=open_backend(bundle, other).margins(rows), got=margins)


@pytest.mark.parametrize("other", OTHERS)
def test_one_row_gets_the_bits_of_each_of_its_parts(bundle: Bundle, other: str) -> None:
    auto, rows = open_backend(bundle, "auto"), small.rows(40, seed=3)

    found = one_by_one(auto, rows)

    small.assert_same_bits(expected=open_backend(bundle, other).margins(rows), got=found)


def test_two_threads_may_ask_it_at_once(bundle: Bundle) -> None:
    auto = open_backend(bundle, "auto", Crossover.parse("onnx:1,xgboost:80"))
    asked = [small.rows(n, seed=n) for n in (1, 79, 80, 500)] * 50

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(auto.margins, asked))

    whole = open_backend(bundle, "xgboost").margins(np.concatenate(asked))
    small.assert_same_bits(expected=whole, got=np.concatenate(found))


@pytest.mark.parametrize(("n", "asked"), [(1, 10), (2, 10), (3, 20), (4, 20), (5, 10), (1000, 10)])
def test_the_one_that_the_crossover_names_is_asked(n: int, asked: float) -> None:
    backends = {"few": Constant(10), "more": Constant(20)}
    auto = AutoBackend(backends, Crossover.parse("few:1,more:3,few:5"))

    margins = auto.margins(small.rows(n))

    assert margins.tolist() == [[asked]] * n
    assert one_by_one(auto, small.rows(1)).tolist() == [[10]]


def test_the_measured_crossover_knows_backends_by_their_time_alone(
    judged: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Third, "honest", False)

    auto = open_backend(judged, "auto")

    assert names(auto) == ["onnx", "third", "xgboost"]
    assert steps(auto) == [(1, "onnx"), (2, "third")]
    assert auto.describe()["crossover"]["found"] == "measured"


def test_a_part_that_gives_other_bits_is_caught(
    judged: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Third, "honest", False)
    auto = open_backend(judged, "auto")

    with pytest.raises(SelfTestFailed, match=r"backend 'third', in a batch"):
        self_test(judged, auto)


def test_a_backend_that_was_not_proven_is_left_out(bundle: Bundle, third: None) -> None:
    auto = open_backend(bundle, "auto")

    assert "third" in form_names()
    assert names(auto) == list(OTHERS)


def test_a_crossover_may_not_name_a_backend_that_was_not_proven(
    bundle: Bundle, third: None
) -> None:
    with pytest.raises(ConfigError, match=r"judged \(onnx, xgboost\), got 'third' - at CROSSOVER"):
        open_backend(bundle, "auto", Crossover.parse("onnx:1,third:2"))


def test_a_missing_library_is_left_out(bundle: Bundle, without_xgboost: None) -> None:
    auto = open_backend(bundle, "auto")

    assert names(auto) == ["onnx"]
    assert steps(auto) == [(1, "onnx")]
    require("auto")


def test_a_missing_library_that_the_crossover_names_is_an_error(
    bundle: Bundle, without_xgboost: None
) -> None:
    with pytest.raises(BackendMissing, match="'xgboost' extra"):
        open_backend(bundle, "auto", Crossover.parse("onnx:1,xgboost:80"))


def test_without_any_library_it_says_what_to_install(
    bundle: Bundle, without_xgboost: None, without_onnxruntime: None
) -> None:
    with pytest.raises(BackendMissing, match=r"needs onnxruntime or xgboost.*'auto' extra"):
        require("auto")
    with pytest.raises(BackendMissing, match=r"got none .* pip install 'bentoml-ext\[auto\]'"):
        open_backend(bundle, "auto")


def test_a_file_that_a_library_refuses_is_an_error(bundle: Bundle, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(bundle.path, tmp_path / "bundle"))
    forged(folder, GRAPH, b"{ not a model")

    with pytest.raises(BackendError, match=r"Expected an ONNX graph, got .*graph\.onnx"):
        open_backend(Bundle(folder), "auto")


def test_only_the_backends_that_the_crossover_names_are_opened(
    bundle: Bundle, without_xgboost: None
) -> None:
    scorer = open_scorer(bundle, "auto", crossover=Crossover.parse("onnx:1"))

    assert names(scorer.backend) == ["onnx"]
    assert scorer.backend.describe() == {
        "crossover": {
            "found": "set",
            "seconds": None,
            "steps": [{"from_rows": 1, "backend": "onnx"}],
        }
    }


def test_a_proof_judges_its_parts_and_not_auto(bundle: Bundle) -> None:
    again = verify_bundle(bundle, random_rows=100)

    for proof in (load_proof(bundle)[0], again):
        assert proof.holds
        assert proof.summary().subjects == ["DMatrix", *OTHERS]


@pytest.fixture(scope="module")
def auto_server(home: Path, credit_model: bentoml.Model) -> Iterator[Server]:
    """The credit service on auto, its crossover among the sizes that a test sends."""
    with serve(home, BACKEND="auto", CROSSOVER="onnx:1,xgboost:7") as server:
        yield server


# Large ones in fewer bytes than the fast path takes at once, and in more.
SIZES = {1: "onnx", 2: "onnx", 6: "onnx", 7: "xgboost", 8: "xgboost", 891: "xgboost"}


def test_a_server_answers_the_same_bytes_and_says_who_scored_them(
    auto_server: Server, onnx_server: Server, held_out: list[Application]
) -> None:
    for n, backend in SIZES.items():
        found = auto_server.client.post("/classify_batch", json=held_out[:n])
        expected = onnx_server.client.post("/classify_batch", json=held_out[:n])
        assert found.content == expected.content
        assert found.headers["x-backend"] == backend
    for application in held_out[:50]:
        found = auto_server.client.post("/classify", json=application)
        expected = onnx_server.client.post("/classify", json=application)
        assert found.content == expected.content
        assert found.headers["x-backend"] == "onnx"


@pytest.mark.parametrize("n", [1, 7])
def test_bentomls_own_path_says_who_scored(
    auto_server: Server, held_out: list[Application], n: int
) -> None:
    # This content type is none that the fast path takes.
    headers = {"content-type": "text/plain"}
    body = json.dumps(held_out[:n])

    found = auto_server.client.post("/classify_batch", content=body, headers=headers)

    assert found.headers["x-backend"] == SIZES[n]


def test_a_refusal_names_no_backend_where_none_has_scored(auto_server: Server) -> None:
    assert "x-backend" not in auto_server.client.post("/classify", json={}).headers


@pytest.mark.parametrize(
    ("sizes", "told"), [([3], "onnx"), ([9], "xgboost"), ([9, 3, 9], "xgboost, onnx")]
)
def test_a_stream_names_every_backend_that_scored_a_part_of_it(
    auto_server: Server, held_out: list[Application], sizes: list[int], told: str
) -> None:
    batches = [pa.RecordBatch.from_pylist([dict(one) for one in held_out[:n]]) for n in sizes]
    body = pa.BufferOutputStream()
    with pa.ipc.new_stream(body, batches[0].schema) as writer:
        for batch in batches:
            writer.write_batch(batch)

    headers = {"content-type": ARROW}
    found = auto_server.client.post(
        "/classify_batch", content=body.getvalue().to_pybytes(), headers=headers
    )

    assert found.headers["x-backend"] == told, found.text


def test_a_round_of_single_requests_says_who_scored_it(bundle: Bundle) -> None:
    handler = SingleHandler(open_scorer(bundle, "auto", Crossover.parse("onnx:1,xgboost:3")))
    body = json.dumps(small.APPLICATION).encode()

    for n, backend in ((1, "onnx"), (2, "onnx"), (3, "xgboost")):
        told = [one.backend for one in handler.at_once([body] * n) if isinstance(one, Named)]
        assert told == [backend] * n
    # The last of 257 is a call of its own.
    last = handler.at_once([body] * 257)[-1]
    assert isinstance(last, Named)
    assert last.backend == "onnx"


def test_a_batch_that_is_scored_in_blocks_names_the_backend_of_each(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    scorer = open_scorer(bundle, "auto", Crossover.parse("onnx:1,xgboost:3"))
    # Rows so wide that four of them are a block.
    monkeypatch.setattr(scoring, "block_rows", lambda _, count: min(4, count))

    assert [scorer.scored_by(n) for n in (0, 2, 3, 4)] == ["onnx", "onnx", "xgboost", "xgboost"]
    assert [scorer.scored_by(n) for n in (5, 7, 8)] == ["xgboost, onnx", "xgboost", "xgboost"]


def test_a_server_tells_which_backend_answers_how_many_rows(auto_server: Server) -> None:
    told = auto_server.client.get("/model").json()

    assert told["backend"] == "auto"
    assert told["crossover"] == {
        "found": "set",
        "seconds": None,
        "steps": [{"from_rows": 1, "backend": "onnx"}, {"from_rows": 7, "backend": "xgboost"}],
    }
    assert "on backend auto (onnx:1,xgboost:7, set)." in auto_server.log


def test_a_server_measures_what_is_not_set(home: Path, credit_model: bentoml.Model) -> None:
    with serve(home, ".", "--arg", "backend=auto", BACKEND="onnx") as server:
        reply = server.client.post("/classify", json=EXAMPLE)
        told = server.client.get("/model").json()["crossover"]

    assert reply.headers["x-backend"] == told["steps"][0]["backend"]
    assert (told["found"], told["steps"][0]["from_rows"]) == ("measured", 1)
    assert told["seconds"] > 0
    assert "on backend auto (onnx:1" in server.log


def test_a_crossover_that_cannot_be_used_stops_the_start(
    home: Path, credit_model: bentoml.Model
) -> None:
    with serve(home, wait=None, BACKEND="auto", CROSSOVER="onnx:0") as server:
        code = server.process.wait(START_S)

        assert code != 0
        assert "the rows rising from 1, got 'onnx:0' - at CROSSOVER" in server.log
