"""Gates: limits in a TOML file, judged on a comparison; a CI step, and a condition to promote."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final, TypeAlias

import msgspec

from bentoml_ext import files
from bentoml_ext.compare.backends import BackendsReport
from bentoml_ext.compare.document import Report
from bentoml_ext.compare.drift import DriftReport
from bentoml_ext.compare.gate import Figure, Gate, GateResult
from bentoml_ext.compare.latency import SIZES
from bentoml_ext.compare.predictions.measures import MEASURES
from bentoml_ext.compare.predictions.report import PredictionsReport
from bentoml_ext.compare.ranking import PairedMeasure
from bentoml_ext.compare.side import Side
from bentoml_ext.compare.versions import VersionsReport
from bentoml_ext.errors import ConfigError

__all__ = ["gates_of", "judged"]

NO_OUTCOME: Final = "no figure, because too few outcomes are known."
Judging: TypeAlias = Callable[[Any, Gate], Figure]

UNPAIRED: Final = ("equal_bits", "flips", "psi")
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


def judged(report: Report, gates: Mapping[str, Gate]) -> list[GateResult]:
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
    kind = "a model without bands" if isinstance(report, PredictionsReport) else "backends"
    raise _none(name, kind)


def _none(name: str, kind: str) -> ConfigError:
    return ConfigError(
        f"Expected gates that a comparison of {kind} has, got '{name}' - at --gates. Leave that "
        "gate out, or compare what it is for."
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


def _equal_bits(report: Any, _: Gate) -> Figure:
    """The share of rows whose margins have the booster's bits, the least of all sets of rows."""
    if not isinstance(report, BackendsReport):
        raise _none("equal_bits", "versions or files")
    return Figure(min(one.equal / max(one.checked, 1) for one in report.agreement))


def _flips(report: Any, _: Gate) -> Figure:
    """The share of decisions that change; of backends the largest of all rows."""
    if isinstance(report, VersionsReport):
        return Figure(report.flips / report.rows)
    if isinstance(report, BackendsReport):
        return Figure(max(one.decision_flips / max(one.checked, 1) for one in report.agreement))
    if isinstance(report, PredictionsReport) and report.labels and report.agreement is not None:
        return Figure(1 - report.agreement.equal.value)
    kind = "values" if isinstance(report, PredictionsReport) else "two files"
    raise _none("flips", kind)


def _ranked(name: str) -> Judging:
    """AUC, Gini or KS."""

    def figure(report: Any, _: Gate) -> Figure:
        _sides(report, name)
        return _of_both(report.ranking and getattr(report.ranking, name))

    return figure


def _measured(name: str) -> Judging:
    """A measure of predictions."""

    def figure(report: Any, _: Gate) -> Figure:
        tasks = [task for task, found in MEASURES.items() if name in found]
        if not isinstance(report, PredictionsReport):
            raise _none(name, "backends" if isinstance(report, BackendsReport) else "bands")
        if report.task not in tasks:
            raise _none(name, "values" if report.task == "value" else report.task)
        found = [one.figures for one in report.measures if one.name == name]
        return _of_both(found[0] if found else None)

    return figure


def _of_both(found: PairedMeasure | None) -> Figure:
    if found is None:
        return Figure(None, None, NO_OUTCOME)
    return Figure(found.challenger.value, found.champion.value)


def _bad_rate(report: Any, _: Gate) -> Figure:
    """The bad rate of those approved at the champion's approval rate."""
    if not isinstance(report, VersionsReport):
        _sides(report, "bad_rate")
        raise _none("bad_rate", "two files")
    for trade in report.trades:
        old, new = trade.champion_group.bad_rate, trade.challenger_group.bad_rate
        if trade.same == "approval rate" and old is not None and new is not None:
            return Figure(new.value, old.value)
    return Figure(None, None, NO_OUTCOME)


def _adverse_impact(report: Any, _: Gate) -> Figure:
    """The lowest ratio of all groups."""
    _sides(report, "adverse_impact")
    if report.impact is None:
        return Figure(None, None, "no figure without --impact COLUMN.")
    sides = [[one.second, one.first] for one in report.impact.groups]
    lowest = [
        min((rate.ratio.value for rate in side if rate.ratio is not None), default=None)
        for side in zip(*sides, strict=True)
    ]
    return Figure(lowest[0], lowest[1], "no figure, because nobody is approved to compare with.")


def _latency_p99(report: Any, gate: Gate) -> Figure:
    """Microseconds of a call: the slowest of the other backends, and the booster's own."""
    if not isinstance(report, BackendsReport):
        raise _none("latency_p99", "versions or files")
    first, *others = report.backends
    rows = gate.rows or SIZES[0]
    times = {one.backend: one.p99_us for one in report.latency if one.rows == rows}
    return Figure(max(times[name] for name in others), times[first])


def _psi(report: Any, _: Gate) -> Figure:
    if isinstance(report, BackendsReport):
        raise _none("psi", "backends")
    found = report.psi
    return Figure(None if found is None else found.psi, None, "no figure: all is in one bin.")


FIGURES: Final[dict[str, Judging]] = {
    "adverse_impact": _adverse_impact,
    "approval_rate": _approval_rate,
    "bad_rate": _bad_rate,
    "calibration": _calibration,
    "equal_bits": _equal_bits,
    "flips": _flips,
    "latency_p99": _latency_p99,
    "psi": _psi,
    **{name: _ranked(name) for name in ("auc", "gini", "ks")},
    **{name: _measured(name) for found in MEASURES.values() for name in found},
}
"""By name of the gate, what it judges."""
