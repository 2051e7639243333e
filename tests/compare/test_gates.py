"""Gates: each limit holds or fails by name; nothing passes for want of a figure."""

from __future__ import annotations

import math
from pathlib import Path

import bentoml
import pytest

import bentoml_ext
from bentoml_ext.compare.gate import Figure, Gate, GateResult
from bentoml_ext.compare.gates import gates_of
from bentoml_ext.errors import ConfigError
from tests.support import small
from tests.support.commands import ext_command


@pytest.fixture(scope="module")
def champion() -> bentoml.Model:
    return bentoml_ext.save_model("gates_champion", small.booster(), encoder=small.encoder())


@pytest.fixture(scope="module")
def worse() -> bentoml.Model:
    booster = small.booster(seed=7, rounds=1, max_depth=1)
    return bentoml_ext.save_model("gates_worse", booster, encoder=small.encoder())


@pytest.mark.parametrize(
    ("gate", "holds"),
    [
        (Gate(min=0.4, max=0.6), True),
        (Gate(min=0.51), False),
        (Gate(max=0.49), False),
        (Gate(min_absolute_change=-0.125), True),
        (Gate(min_absolute_change=-0.12), False),
        (Gate(max_absolute_change=-0.2), False),
        (Gate(min_relative_change=-0.2), True),
        (Gate(min_relative_change=-0.19), False),
        (Gate(max_relative_change=0.0), True),
    ],
)
def test_a_limit_of_a_half_after_five_eighths(gate: Gate, holds: bool) -> None:
    assert GateResult.of("gini", gate, Figure(0.5, 0.625)).holds is holds


def test_a_gate_without_a_figure_fails() -> None:
    found = GateResult.of("gini", Gate(min=0.0), Figure(None, None, "no outcome."))

    assert not found.holds
    assert found.text == "gini fails: no outcome."
    assert not GateResult.of("psi", Gate(max=9), Figure(math.nan)).holds


def test_a_rise_from_nothing_is_more_than_any_share() -> None:
    gate = Gate(max_relative_change=10)

    assert not GateResult.of("approval_rate", gate, Figure(0.1, 0.0)).holds
    assert GateResult.of("approval_rate", gate, Figure(0.0, 0.0)).holds


def test_a_figure_without_an_old_one_cannot_change(tmp_path: Path) -> None:
    (tmp_path / "gates.toml").write_text("[psi]\nmax_absolute_change = 1\n")

    with pytest.raises(ConfigError, match=r"limit of 'psi' of min, max, got 'max_absolute_change'"):
        gates_of(tmp_path / "gates.toml")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[ginni]\nmin = 1", "Did you mean 'gini'?"),
        ("[latency_p90]\nmax = 1", "Did you mean 'latency_p99'?"),
        ("[gini]\nmni = 1", "got 'mni' - at .* Did you mean 'min'?"),
        ("[gini]\nrows = 8", "got 'rows'"),
        ("[gini]\nmin = 'much'", "Expected numbers, got"),
        ("[gini]", "Expected a limit, got none"),
        ("gini = 1", "Expected limits, got 1"),
        ("[latency_p99]\nmax = 1\nrows = 7", "Expected rows of 1, 8, 64, 512, 4096, got 7"),
        ("", "Expected a gate of adverse_impact, approval_rate"),
        ("[gini", "Expected gates in TOML"),
    ],
)
def test_a_file_of_gates_with_a_fault_is_refused(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "gates.toml"
    path.write_text(text)

    with pytest.raises(ConfigError, match=words.replace("?", r"\?")):
        gates_of(path)


def judged(gates: str, data: Path, *words: str) -> tuple[int, str]:
    """Exit code and lines of the gates of a comparison."""
    path = data.with_name("gates.toml")
    path.write_text(gates)
    ended = ext_command("compare", *words, "--gates", path)
    lines = [line for line in ended.stdout.splitlines() if line.startswith("Gate ")]
    return ended.returncode, "\n".join(lines) or ended.stderr


def test_a_worse_model_fails_its_gate_by_name(
    champion: bentoml.Model, worse: bentoml.Model, data: Path
) -> None:
    words = (str(champion.tag), "--with", str(worse.tag), "--data", str(data), "--outcome", "bad")

    code, lines = judged("[gini]\nmin_absolute_change = -0.01\n[flips]\nmax = 1", data, *words)

    assert code == 1
    assert lines.startswith("Gate gini of ")
    assert "below min_absolute_change = -0.01" in lines
    assert lines.endswith(" holds.")


def test_an_equal_model_passes_every_gate(champion: bentoml.Model, data: Path) -> None:
    tag = str(champion.tag)
    gates = "[flips]\nmax = 0\n[psi]\nmax = 0\n[approval_rate]\nmin_absolute_change = 0\n"
    gates += "max_relative_change = 0\n[calibration]\nmax = 1\n[gini]\nmin = 0.5"

    code, lines = judged(gates, data, tag, "--with", tag, "--data", str(data), "--outcome", "bad")

    assert (code, lines.count(" holds.")) == (0, 5)


def test_the_gini_of_no_outcome_fails(champion: bentoml.Model, data: Path) -> None:
    tag = str(champion.tag)

    code, lines = judged("[gini]\nmin = 0", data, tag, "--with", tag, "--data", str(data))

    assert (code, lines) == (
        1,
        "Gate gini fails: no figure, because too few outcomes are known.",
    )


@pytest.mark.slow
def test_gates_of_backends(champion: bentoml.Model, data: Path) -> None:
    gates = "[flips]\nmax = 0\n[latency_p99]\nmax = 0.001\nrows = 8"

    code, lines = judged(gates, data, str(champion.tag))

    assert code == 1
    assert lines.startswith("Gate flips of 0 holds.\nGate latency_p99 of ")
    assert "is above max = 0.001" in lines


def test_a_gate_of_another_comparison_is_refused(champion: bentoml.Model, data: Path) -> None:
    tag = str(champion.tag)
    words = (tag, "--with", tag, "--data", str(data))

    code, line = judged("[latency_p99]\nmax = 1", data, *words)

    assert code == 1
    assert "Expected gates that a comparison of versions or files has, got 'latency_p99'" in line
