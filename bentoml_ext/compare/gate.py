"""Gate: a limit of one figure, and what became of it."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

__all__ = ["Figure", "Gate", "GateResult"]


class Gate(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True
):
    """Limits of a figure; all that are given must hold.

    Args:
        min, max: of the new figure: the challenger's, the later file's, the other backend's.
        min_absolute_change, max_absolute_change: of the new figure less the old one.
        min_relative_change, max_relative_change: the same as a share of the old figure.
        rows: of a call; for `latency_p99` alone.
    """

    min: float | None = None
    max: float | None = None
    min_absolute_change: float | None = None
    max_absolute_change: float | None = None
    min_relative_change: float | None = None
    max_relative_change: float | None = None
    rows: int | None = None

    @property
    def limits(self) -> dict[str, float]:
        """The limits that are given, by name."""
        found = {name: getattr(self, name) for name in self.__struct_fields__ if name != "rows"}
        return {name: limit for name, limit in found.items() if limit is not None}


class Figure(msgspec.Struct, frozen=True):
    """What a gate judges.

    Args:
        new: the new figure; None where it cannot be made.
        old: the old one; None where the figure is itself a comparison, as the PSI.
        reason: why there is no figure.
    """

    new: float | None
    old: float | None = None
    reason: str = ""


class GateResult(msgspec.Struct, frozen=True):
    """What became of a gate.

    Args:
        gate: its name.
        holds: whether there is a figure and all limits hold.
        new, old: the figures; None where one cannot be made.
        text: figure, limits and verdict in a sentence.
    """

    gate: str
    holds: bool
    new: float | None
    old: float | None
    text: str

    @classmethod
    def of(cls, name: str, gate: Gate, figure: Figure) -> GateResult:
        """Judge a figure; without one no limit holds."""
        if figure.new is None:
            return cls(name, False, None, figure.old, f"{name} fails: {figure.reason}")
        broken = list(_broken(gate, figure.new, figure.old))
        verdict = f"fails: {', '.join(broken)}" if broken else "holds"
        shown = f"{figure.new:.6g}"
        if figure.old is not None:
            shown += f" after {figure.old:.6g}"
        return cls(name, not broken, figure.new, figure.old, f"{name} of {shown} {verdict}.")


def _broken(gate: Gate, new: float, old: float | None) -> Iterator[str]:
    """The limits that do not hold, in words."""
    measured = {"": new}
    if old is not None:
        change = new - old
        measured["_absolute_change"] = change
        if old or change:
            share = change / abs(old) if old else change * float("inf")
            measured["_relative_change"] = share
        else:
            measured["_relative_change"] = 0.0
    for name, limit in gate.limits.items():
        value = measured[name[3:]]
        side = name[:3]
        # Not written as `value < limit`, so that NaN holds nowhere.
        if not (value >= limit if side == "min" else value <= limit):
            yield f"{value:.6g} is {'below' if side == 'min' else 'above'} {name} = {limit:g}"
