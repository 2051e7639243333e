"""Backends of one version: equal bits, times, sizes, and a backend that gives other bits."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import bentoml
import jsonschema
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import bentoml_ext
from bentoml_ext.backends.crossover import Cost
from bentoml_ext.compare.agreement import Agreement
from bentoml_ext.compare.applications import Applications
from bentoml_ext.compare.backends import BackendsReport, compare_backends
from bentoml_ext.compare.document import schema, to_json
from bentoml_ext.compare.footprint import Footprint, library_bytes
from bentoml_ext.compare.latency import SIZES, Latency
from bentoml_ext.compare.subject import Subject
from bentoml_ext.compare.worth import worth
from bentoml_ext.errors import BackendMissing, ConfigError, UnknownBackend, UnreadableInput
from tests.support import packages, small
from tests.support.commands import ROOT, ext_command

OFF = """
import numpy as np
from bentoml_ext.backends.onnx_runtime import OnnxRuntimeBackend


class Off(OnnxRuntimeBackend):
    name = "off"

    def margins(self, rows):
        return np.nextafter(super().margins(rows), np.float32(9))
"""


@pytest.fixture(scope="module")
def stored() -> bentoml.Model:
    return bentoml_ext.save_model("compare_test", small.booster(), encoder=small.encoder())


@pytest.fixture(scope="module")
def subject(stored: bentoml.Model) -> Subject:
    return Subject.of(str(stored.tag))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three applications, the second without a known home."""
    path = tmp_path_factory.mktemp("data") / "three.parquet"
    columns = {"age": [41.0, 20, 30], "home": ["rent", "tent", "owner"], "income": [1.5, 0, 9]}
    pq.write_table(pa.table(columns), path)
    return path


@pytest.fixture(scope="module")
def report(subject: Subject, data: Path) -> BackendsReport:
    return compare_backends(subject, data=Applications(data, subject.bundle.encoder))


@pytest.fixture
def off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A backend of another hand whose margins are one float32 off."""
    monkeypatch.syspath_prepend(tmp_path)
    packages.install(
        tmp_path, "off_backend", OFF, "[bentoml_ext.backends]\noff = off_backend:Off\n"
    )
    yield
    monkeypatch.undo()


def test_every_backend_gives_the_bits_of_the_booster(report: BackendsReport) -> None:
    found = [(one.rows, one.backend, one.against) for one in report.agreement]

    names = ("on every split", "made-up applications", "three.parquet")
    assert found == [(name, "onnx", "xgboost") for name in names]
    assert all(one.equal == one.checked > 0 for one in report.agreement)
    assert report.equal


def test_a_refused_application_is_left_out_and_named(report: BackendsReport) -> None:
    assert report.agreement[-1].checked == 2
    assert report.data is not None
    assert (report.data.rows, report.data.refused) == (3, 1)
    assert "got 'tent'" in report.data.first_refusal.replace('"', "'")
    assert report.data.first_refusal.endswith("application 1")


def test_every_size_is_timed_on_every_backend(report: BackendsReport) -> None:
    sizes = [(one.backend, one.rows) for one in report.latency]

    assert sorted(sizes) == sorted((name, size) for name in report.backends for size in SIZES)
    for one in report.latency:
        assert one.calls >= 100
        assert one.low_us <= one.high_us
        assert one.p50_us <= one.p99_us


def test_each_backend_is_loaded_in_a_process_of_its_own(report: BackendsReport) -> None:
    by_name = {one.backend: one for one in report.footprint}

    # XGBoost's library alone is larger than what a process with onnxruntime holds besides it.
    assert by_name["xgboost"].memory_bytes > by_name["onnx"].memory_bytes
    assert by_name["onnx"].form_bytes == report_file(report, "graph.onnx")


def report_file(report: BackendsReport, name: str) -> int:
    return (Path(bentoml.models.get(report.model).path) / name).stat().st_size


def test_a_library_counts_with_all_that_it_requires() -> None:
    numpy, both = library_bytes(["numpy"]), library_bytes(["xgboost"])

    assert numpy is not None
    assert both is not None
    assert both > numpy > 1_000_000
    assert library_bytes([]) is None


def test_the_json_is_what_the_schema_in_docs_says(report: BackendsReport) -> None:
    written = json.loads((ROOT / "docs" / "compare.schema.json").read_text())

    assert written == json.loads(json.dumps(schema()))
    jsonschema.validate(json.loads(to_json(report)), written)


@pytest.mark.slow
@pytest.mark.usefixtures("off")
def test_a_backend_that_is_one_float_off_ends_with_exit_code_1(
    stored: bentoml.Model, tmp_path: Path
) -> None:
    path, gates = tmp_path / "report.json", tmp_path / "gates.toml"
    gates.write_text("[equal_bits]\nmin = 1\n")
    words = ("--backends", "xgboost,off", "--gates", gates, "--json", path)

    ended = ext_command("compare", str(stored.tag), *words)

    assert ended.returncode == 1
    assert ended.stdout.startswith("Do not swap: off and xgboost differ in ")
    found = json.loads(path.read_bytes())
    assert [one["equal"] for one in found["agreement"]] == [0, 0]
    assert {one["largest_gap_ulp"] for one in found["agreement"]} == {1}
    assert "Expected margin 0x" in ended.stdout
    assert "Gate equal_bits of 0 fails: 0 is below min = 1" in ended.stdout


@pytest.mark.slow
def test_the_verdict_stands_first(stored: bentoml.Model) -> None:
    ended = ext_command("compare", str(stored.tag))

    assert ended.returncode == 0
    assert ended.stdout.startswith("Every answer is the same; ")
    assert "Crossover: onnx:1" in ended.stdout


@pytest.mark.parametrize(
    ("names", "error", "words"),
    [
        (["onnx"], ConfigError, "Expected two backends or more of onnx, xgboost, got onnx"),
        (["onnx", "auto"], ConfigError, "got auto - at --backends"),
        (["onnx", "xgbost"], UnknownBackend, "got 'xgbost'"),
    ],
)
def test_backends_that_cannot_be_compared(
    subject: Subject, names: list[str], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        subject.scorers(names)


def test_a_missing_library_names_the_extra(
    subject: Subject, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)

    with pytest.raises(BackendMissing, match="'xgboost' extra"):
        subject.scorers(["xgboost", "onnx"])


def test_a_file_without_a_field_is_refused_by_name(subject: Subject, tmp_path: Path) -> None:
    path = tmp_path / "no_age.parquet"
    pq.write_table(pa.table({"home": ["rent"], "income": [1.0]}), path)

    with pytest.raises(UnreadableInput, match=r"'age'.*no_age\.parquet"):
        list(Applications(path, subject.bundle.encoder).batches())


def latency(backend: str, rows: int, p50: float) -> Latency:
    low, high = p50 * 0.99, p50 * 1.01
    return Latency(
        backend=backend,
        rows=rows,
        calls=100,
        p50_us=p50,
        p99_us=p50,
        low_us=low,
        high_us=high,
        rows_per_s=rows / p50 * 1e6,
    )


def footprint(backend: str, megabytes: int) -> Footprint:
    return Footprint(
        backend=backend,
        load_s=1,
        load_low_s=1,
        load_high_s=1,
        memory_bytes=megabytes * 1_000_000,
        form_bytes=1,
        library_bytes=None,
    )


def test_the_verdict_says_who_is_faster_and_from_where_on() -> None:
    times = [latency("a", 1, 10), latency("b", 1, 40), latency("a", 4096, 90)]
    times.append(latency("b", 4096, 30))
    costs = {"a": Cost(10e-6, 10e-6, 2e-6), "b": Cost(40e-6, 40e-6, 1e-6)}

    said = worth([], times, costs, [footprint("a", 100), footprint("b", 250)])

    assert said == (
        "Every answer is the same; a is 4.0 times as fast for one application; "
        "b is 3.0 times as fast for 4,096 rows; b is faster from 31 rows on; "
        "a saves 150 MB of memory."
    )


def test_times_whose_rounds_overlap_are_not_called_faster() -> None:
    times = [latency(name, rows, 10.0 + (name == "b") / 9) for name in "ab" for rows in (1, 4096)]

    said = worth([], times, {"a": Cost(1, 1, 1)}, [footprint("a", 100), footprint("b", 100)])

    assert said == "Every answer is the same; speed hardly differs."


def test_the_verdict_names_the_worst_difference() -> None:
    wrong = Agreement(
        rows="made-up applications",
        backend="off",
        against="xgboost",
        checked=100,
        equal=97,
        largest_gap_ulp=1,
        largest_gap=0.1,
        decision_flips=2,
    )

    said = worth([wrong], [], {}, [])

    assert said == (
        "Do not swap: off and xgboost differ in 3 of 100 rows of made-up applications, "
        "and 2 decisions flip."
    )
