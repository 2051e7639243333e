"""Gates: limits in a TOML file, judged on a comparison; a CI step, and a condition to promote."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final

import msgspec

from bentoml_ext import files
from bentoml_ext.compare.backends import BackendsReport
from bentoml_ext.compare.drift import DriftReport
from bentoml_ext.compare.gate import Figure, Gate, GateResult
from bentoml_ext.compare.latency import SIZES
from bentoml_ext.compare.side import Side
from bentoml_ext.compare.versions import VersionsReport
from bentoml_ext.errors import ConfigError

__all__ = ["gates_of", "judged"]

NO_OUTCOME: Final = "no figure, because too few outcomes are known."
UNPAIRED: Final = ("flips", "psi")
"""Figures that are comparisons themselves: they have no change."""


def gates_of(path: Path) -> dict[str, Gate]:
    """The gates of a file, a table for each.

    Raises:
        ConfigError: not TOML, or a gate without a limit. An unknown gate or limit is named with
            the nearest; a figure that is a comparison itself has no change.
        OSError: no such file.
    """
    try:
        plain = tomllib.loads(files.read(path, files.MOST_TEXT_BYTES).decode("utf-8-sig"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"Expected gates in TOML, got {error} - at {path}.") from error
    if not plain:
        raise ConfigError(f"Expected a gate of {', '.join(FIGURES)}, got none - at {path}.")
    return {name: _gate(name, limits, path) for name, limits in plain.items()}


def judged(
    report: BackendsReport | VersionsReport | DriftReport, gates: Mapping[str, Gate]
) -> list[GateResult]:
    """What became of each gate.

    Raises:
        ConfigError: a gate of a figure that this kind of comparison does not have.
    """
    return [GateResult.of(name, gate, FIGURES[name](report, gate)) for name, gate in gates.items()]


def _gate(name: str, limits: Any, path: Path) -> Gate:
    _check_name("gate", name, list(FIGURES), path)
    if not isinstance(limits, dict):
        raise ConfigError(
            f"Expected limits, got {limits!r} - at gate '{name}' of {path}. Write [{name}] and "
            "below it such as max = 0.1."
        )
    known = [one for one in Gate.__struct_fields__ if one != "rows" or name == "latency_p99"]
    if name in UNPAIRED:
        known = ["min", "max"]
    for limit in limits:
        _check_name(f"limit of '{name}'", limit, known, path)
    try:
        gate = msgspec.convert(limits, Gate)
    except msgspec.ValidationError as error:
        raise ConfigError(f"Expected numbers, got {error} - at gate '{name}' of {path}.") from error
    if not gate.limits:
        raise ConfigError(f"Expected a limit, got none - at gate '{name}' of {path}.")
    if gate.rows is not None and gate.rows not in SIZES:
        sizes = ", ".join(map(str, SIZES))
        raise ConfigError(f"Expected rows of {sizes}, got {gate.rows} - at gate '{name}'.")
    return gate


def _check_name(what: str, name: str, known: list[str], path: Path) -> None:
    if name not in known:
        near = get_close_matches(name, known, 1, cutoff=0.0)
        raise ConfigError(
            f"Expected a {what} of {', '.join(known)}, got '{name}' - at {path}. "
            f"Did you mean '{near[0]}'?"
        )


def _sides(report: Any, name: str) -> tuple[Side, Side]:
    if isinstance(report, VersionsReport):
        return report.champion, report.challenger
    if isinstance(report, DriftReport):
        return report.first, report.second
    raise _none(name, "backends")


def _none(name: str, kind: str) -> ConfigError:
    return ConfigError(
        f"Expected gates of a comparison of {kind}, got '{name}' - at --gates. Leave that gate "
        "out, or compare what it is for."
    )


def _approval_rate(report: Any, _: Gate) -> Figure:
    old, new = _sides(report, "approval_rate")
    return Figure(new.approval_rate, old.approval_rate)


def _calibration(report: Any, _: Gate) -> Figure:
    """The largest distance of a band's mean probability from its bad rate."""
    old, new = (_worst(side) for side in _sides(report, "calibration"))
    return Figure(new, old, NO_OUTCOME)


def _worst(side: Side) -> float | None:
    gaps = [
        abs(band.expected - band.observed.value)
        for band in side.calibration
        if band.expected is not None and band.observed is not None
    ]
    return max(gaps, default=None)


def _flips(report: Any, _: Gate) -> Figure:
    """The share of decisions that change; of backends the largest of all rows."""
    if isinstance(report, VersionsReport):
        return Figure(report.flips / report.rows)
    if isinstance(report, BackendsReport):
        return Figure(max(one.decision_flips / max(one.checked, 1) for one in report.agreement))
    raise _none("flips", "two files")


def _gini(report: Any, _: Gate) -> Figure:
    _sides(report, "gini")
    if report.ranking is None:
        return Figure(None, None, NO_OUTCOME)
    gini = report.ranking.gini
    return Figure(gini.challenger.value, gini.champion.value)


def _latency_p99(report: Any, gate: Gate) -> Figure:
    """Microseconds of a call: the slowest of the other backends, and the booster's own."""
    if not isinstance(report, BackendsReport):
        raise _none("latency_p99", "two versions or files")
    first, *others = report.backends
    rows = gate.rows or SIZES[0]
    times = {one.backend: one.p99_us for one in report.latency if one.rows == rows}
    return Figure(max(times[name] for name in others), times[first])


def _psi(report: Any, _: Gate) -> Figure:
    _sides(report, "psi")
    found = report.psi
    return Figure(None if found is None else found.psi, None, "no figure: all is in one bin.")


FIGURES: Final[dict[str, Callable[[Any, Gate], Figure]]] = {
    "approval_rate": _approval_rate,
    "calibration": _calibration,
    "flips": _flips,
    "gini": _gini,
    "latency_p99": _latency_p99,
    "psi": _psi,
}
"""By name of the gate, what it judges."""
