"""Shorthand: `bentoml_ext.Policy` goes on to mean what it did in 0.1."""

from __future__ import annotations

from pathlib import Path

import pytest

import bentoml_ext
from bentoml_ext import Band, Bands, Policy
from bentoml_ext.decisions.presets import APPROVAL
from bentoml_ext.errors import ConfigError


def test_what_is_left_out_is_the_preset() -> None:
    assert Policy() == APPROVAL
    assert Policy(key="churn") == Bands("churn", APPROVAL.bands, APPROVAL.otherwise)
    assert Policy("risk", (Band(0.7, "high"),), "low") == Bands("risk", (Band(0.7, "high"),), "low")


def test_a_cut_off_and_a_file_make_one(tmp_path: Path) -> None:
    (tmp_path / "policy.json").write_text('{"DECLINED": 0.25, "otherwise": "APPROVED"}')

    assert bentoml_ext.Policy.of_threshold(0.25) == Bands(
        "Status", (Band(0.25, "DECLINED"),), "APPROVED"
    )
    assert Policy.from_file(tmp_path / "policy.json") == Policy.of_threshold(0.25)


def test_it_is_checked_as_bands_are() -> None:
    with pytest.raises(ConfigError, match="a key other than"):
        Policy(key="probability")
    with pytest.raises(ConfigError, match="otherwise"):
        Policy(otherwise=0.5)
