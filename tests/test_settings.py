"""Settings come from the arguments, then the environment, then the defaults, or stop the start."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import Any

import pytest

from bentoml_ext.backends.crossover import Crossover
from bentoml_ext.errors import ConfigError, UnknownBackend
from bentoml_ext.settings import Settings, hand_on


def test_an_empty_environment_gives_the_defaults() -> None:
    assert Settings.read({}, {}) == Settings()
    assert Settings().backend == "onnx"


@pytest.mark.parametrize(
    ("arguments", "environ", "backend"),
    [
        ({}, {"BACKEND": "xgboost"}, "xgboost"),
        ({"backend": "xgboost"}, {}, "xgboost"),
        ({"backend": "xgboost"}, {"BACKEND": "onnx"}, "xgboost"),
        ({"backend": ""}, {"BACKEND": "xgboost"}, "xgboost"),
        ({}, {"BACKEND": ""}, "onnx"),
        ({"other": "thing"}, {"backend": "xgboost"}, "onnx"),
    ],
)
def test_an_argument_goes_before_the_environment(
    arguments: dict[str, Any], environ: dict[str, str], backend: str
) -> None:
    assert Settings.read(arguments, environ).backend == backend


def test_the_environment_of_the_process_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BACKEND", "xgboost")

    assert Settings.read().backend == "xgboost"
    assert Settings.read(environ={}).backend == "onnx"


@pytest.mark.parametrize("name", ["tensorflow", "ONNX", "onnx,xgboost", " "])
def test_an_unknown_backend_lists_the_known_ones_and_where_to_mend_it(name: str) -> None:
    with pytest.raises(
        UnknownBackend, match=rf"one of auto, onnx, xgboost, got '{name}' - at BACKEND"
    ):
        Settings.read({}, {"BACKEND": name})


def test_a_crossover_is_read_from_the_argument_or_the_environment() -> None:
    read = Settings.read({"crossover": "onnx:1"}, {"CROSSOVER": "onnx:1,xgboost:80"})

    assert read.crossover == Crossover(((1, "onnx"),))
    environ = {"CROSSOVER": "onnx:1,xgboost:80"}
    assert str(Settings.read({}, environ).crossover) == environ["CROSSOVER"]
    assert Settings.read({}, {"CROSSOVER": ""}).crossover is None


@pytest.mark.parametrize(
    "text",
    [
        *("onnx", "onnx:", ":1", "onnx:2", "onnx:0", "onnx:-1", "onnx:1.5", "onnx:1,", ",onnx:1"),
        *("onnx:1,xgboost:1", "onnx:1,xgboost:9,onnx:5", "onnx=1", "80", "onnx:1e3"),
    ],
)
def test_a_crossover_that_is_no_table_stops_the_start(text: str) -> None:
    with pytest.raises(ConfigError, match=rf"rising from 1, got '{text}' - at CROSSOVER\. Set it"):
        Settings.read({}, {"CROSSOVER": text})


@pytest.mark.parametrize("name", ["tensorflow", "auto", " xgboost"])
def test_a_crossover_names_backends_that_are_a_form_of_the_model(name: str) -> None:
    with pytest.raises(UnknownBackend, match=rf"one of onnx, xgboost, got '{name}' - at CROSS"):
        Settings.read({}, {"CROSSOVER": f"onnx:1,{name}:80"})


@pytest.mark.parametrize(
    ("environ", "needed"),
    [
        ({}, ("onnx",)),
        ({"BACKEND": "auto"}, ("auto",)),
        ({"BACKEND": "auto", "CROSSOVER": "onnx:1,xgboost:2,onnx:3"}, ("onnx", "xgboost")),
        # A bento that carries a crossover can still be swapped by one word.
        ({"BACKEND": "onnx", "CROSSOVER": "xgboost:1"}, ("onnx",)),
    ],
)
def test_a_crossover_needs_the_backends_that_it_names(
    environ: dict[str, str], needed: tuple[str, ...]
) -> None:
    assert Settings.read({}, environ).needed == needed


@pytest.mark.parametrize(
    ("text", "value"),
    [("on", True), ("On", True), ("1", True), ("true", True), ("off", False), ("0", False)],
)
def test_a_switch_is_on_or_off(text: str, value: bool) -> None:
    assert Settings.read({}, {"ACCESS_LOG": text}).access_log is value
    assert Settings.read({}, {"UI": text}).ui is value


@pytest.mark.parametrize("text", ["yes please", "2", "onn"])
def test_a_switch_that_is_neither_stops_the_start(text: str) -> None:
    with pytest.raises(ConfigError, match=f"got '{text}' - at ACCESS_LOG"):
        Settings.read({}, {"ACCESS_LOG": text})


def test_a_report_is_a_file_that_is_there_and_is_found_from_any_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "report.html").write_text("")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("REPORT", "report.html")

    hand_on()

    assert os.environ["REPORT"] == str(tmp_path / "report.html")
    assert Settings.read().report == tmp_path / "report.html"
    with pytest.raises(ConfigError, match=r"Expected a file, got 'none\.html' - at REPORT"):
        Settings.read({"report": "none.html"})


def test_the_time_to_drain_is_of_seconds() -> None:
    assert Settings.read({}, {}).drain_seconds == 1
    assert Settings.read({}, {"DRAIN_SECONDS": "0"}).drain_seconds == 0
    assert Settings.read({"drain_seconds": 2.5}, {"DRAIN_SECONDS": "9"}).drain_seconds == 2.5
    for value in ("-1", "nan", "inf", "1e3", "1_0", "soon", "3601", "5s"):
        with pytest.raises(ConfigError, match=rf"0 to 3600, got '{value}' - at DRAIN_SECONDS"):
            Settings.read({}, {"DRAIN_SECONDS": value})


def test_settings_never_change() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Settings().backend = "xgboost"  # type: ignore[misc]


def test_the_limits_of_bulk_requests_are_whole_numbers() -> None:
    read = Settings.read({}, {"MAX_BULK_ROWS": "10", "MAX_BULK_BYTES": "2000"})

    assert (read.max_bulk_rows, read.max_bulk_bytes) == (10, 2000)
    for value in ("0", "-1", "1e6", "many", "1.5"):
        with pytest.raises(ConfigError, match=rf"from 1 on, got '{value}' - at MAX_BULK_ROWS"):
            Settings.read({}, {"MAX_BULK_ROWS": value})


def test_each_model_may_have_a_backend_of_its_own() -> None:
    settings = Settings.read({}, {"BACKEND": "auto,risk=onnx", "CROSSOVER": "onnx:1,xgboost:80"})

    assert [settings.chosen.of(name) for name in ("risk", "price")] == ["onnx", "auto"]
    assert settings.needed_by("risk") == ("onnx",)
    assert settings.needed_by("risk", "price") == ("onnx", "xgboost")
    assert Settings.read({}, {"BACKEND": "risk=xgboost"}).chosen.of("price") == "onnx"
    with pytest.raises(ConfigError, match="one backend for risk, got two"):
        Settings.read({}, {"BACKEND": "risk=onnx,risk=xgboost"})
