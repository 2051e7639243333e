"""Settings come from the arguments, then the environment, then the defaults, or stop the start."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from bentoml_ext.errors import ConfigError, UnknownBackend
from bentoml_ext.settings import Settings


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
    with pytest.raises(UnknownBackend, match=rf"one of onnx, xgboost, got '{name}' - at BACKEND"):
        Settings.read({}, {"BACKEND": name})


@pytest.mark.parametrize(
    ("text", "value"),
    [("on", True), ("On", True), ("1", True), ("true", True), ("off", False), ("0", False)],
)
def test_a_switch_is_on_or_off(text: str, value: bool) -> None:
    assert Settings.read({}, {"ACCESS_LOG": text}).access_log is value


@pytest.mark.parametrize("text", ["yes please", "2", "onn"])
def test_a_switch_that_is_neither_stops_the_start(text: str) -> None:
    with pytest.raises(ConfigError, match=f"got '{text}' - at ACCESS_LOG"):
        Settings.read({}, {"ACCESS_LOG": text})


def test_settings_never_change() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Settings().backend = "xgboost"  # type: ignore[misc]
