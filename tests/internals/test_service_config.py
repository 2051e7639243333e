"""Service config: a key that BentoML would ignore is refused."""

from __future__ import annotations

from typing import Any

import pytest

import bentoml_ext
from bentoml_ext.errors import ConfigError
from bentoml_ext.internals.service_config import check_config


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (
            {"worker": 3},
            r"Expected one of .*workers, got 'worker' - at the service\. BentoML",
        ),
        ({"traffic": {"timeoutt": 3}}, r"timeout, got 'timeoutt' - at traffic of the service"),
        ({"logging": {"access": {"on": True}}}, "got 'on' - at access of logging of the service"),
        ({"http": {"cors": {"enable": True}}}, "got 'enable' - at cors of http of the service"),
    ],
    ids=lambda value: str(value)[:12],
)
def test_a_key_that_nothing_reads_is_refused(config: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        bentoml_ext.get_service("credit_risk_model:latest", **config)


def test_all_that_bentoml_takes_is_taken() -> None:
    check_config({
        "name": "x",
        "description": "y",
        "path_prefix": "/z",
        "labels": {"a": "b"},
        "envs": [{"name": "A", "value": "1"}],
        "workers": 2,
        "traffic": {"timeout": 3, "max_concurrency": 4, "external_queue": True},
        "logging": {"access": {"enabled": True, "format": {"trace_id": "x"}}},
        "metrics": {"enabled": True, "duration": {"min": 0.1, "max": 1.0, "factor": 2.0}},
    })  # fmt: skip
