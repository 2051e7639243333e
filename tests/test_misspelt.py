"""A misspelt variable stops the start, and another program's does not."""

from __future__ import annotations

from pathlib import Path

import bentoml
import pytest

from bentoml_ext.errors import ConfigError
from bentoml_ext.settings import NAMES, hand_on
from tests.support.servers import START_S, serve


@pytest.mark.parametrize(
    ("name", "value", "meant"),
    [
        ("BACKND", "xgboost", "BACKEND"),
        ("BAKCEND", "xgboost", "BACKEND"),
        ("BACKENDS", "auto", "BACKEND"),
        ("backend", "onnx", "BACKEND"),
        ("BENTOML_BACKEND", "onnx", "BACKEND"),
        ("BENTOML_EXT_BACKEND", "onnx", "BACKEND"),
        ("FAST_PATH", "off", "FASTPATH"),
        ("ACCESSLOG", "on", "ACCESS_LOG"),
        ("MAX_BULK_ROW", "5", "MAX_BULK_ROWS"),
        ("CROSS_OVER", "onnx:1", "CROSSOVER"),
        ("ui", "off", "UI"),
        ("BENTOML_UI", "off", "UI"),
        ("REPORTS", __file__, "REPORT"),
        ("BENTOML_EXT_COLOUR", "red", "one of ACCESS_LOG, BACKEND"),
    ],
)
def test_a_variable_that_is_surely_meant_is_named_with_ours(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, meant: str
) -> None:
    monkeypatch.setenv(name, value)

    with pytest.raises(ConfigError, match=f"Expected {meant}.*, got {name}={value} - at the envi"):
        hand_on()


def test_a_misspelt_model_is_known_by_a_version_that_is_stored(
    monkeypatch: pytest.MonkeyPatch, credit_model: bentoml.Model
) -> None:
    monkeypatch.setenv("MODLE", str(credit_model.tag))

    with pytest.raises(ConfigError, match="Expected MODEL, got MODLE="):
        hand_on()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MODE", "production"),
        ("MODELS", "/srv/models"),
        ("MODE", "a:b"),
        ("BACKENDS", "10.0.0.1:80"),
        ("ACCESSLOG", "/var/log/access.log"),
        ("FASTPATH_LIBRARY", "on"),
        ("BACKND", ""),
        ("CI", "1"),
        ("CI", "true"),
        ("GUI", "on"),
        ("UID", "0"),
        ("REPORTS", "weekly"),
        *((name, "") for name in NAMES),
    ],
)
def test_another_programs_variable_is_left_to_it(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)

    hand_on()


def test_a_misspelt_variable_stops_the_start(home: Path, credit_model: bentoml.Model) -> None:
    with serve(home, wait=None, BACKND="xgboost") as server:
        assert server.process.wait(START_S) == 1
        assert "Expected BACKEND, got BACKND=xgboost - at the environment" in server.log
