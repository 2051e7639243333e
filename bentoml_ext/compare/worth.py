"""Worth: whether swapping the backend is worth it, in one sentence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from bentoml_ext.backends.crossover import MOST, Cost, Crossover
from bentoml_ext.compare.agreement import BOUNDARY, Agreement
from bentoml_ext.compare.footprint import Footprint
from bentoml_ext.compare.latency import SIZES, Latency

__all__ = ["worth"]

CLEAR: Final = 1.1
"""A smaller ratio of two times is not called faster."""
MB: Final = 1_000_000


def worth(
    agreement: Sequence[Agreement],
    latency: Sequence[Latency],
    costs: Mapping[str, Cost],
    footprint: Sequence[Footprint],
) -> str:
    """The answer to "is it worth swapping?".

    Args:
        agreement: of all backends.
        latency: of all backends at all sizes.
        costs: by backend, as the crossover takes them.
        footprint: of all backends.
    """
    if wrong := [one for one in agreement if not one.holds]:
        worst = max(wrong, key=lambda one: (one.decision_flips, one.checked - one.equal))
        return (
            f"Do not swap: {worst.backend} and {worst.against} differ in "
            f"{worst.checked - worst.equal:,} of {worst.checked:,} rows {_where(worst.rows)}, "
            f"and {worst.decision_flips:,} decisions flip."
        )
    faster = [_faster(latency, size) for size in (SIZES[0], SIZES[-1])]
    words = {SIZES[0]: "for one application", SIZES[-1]: f"for {SIZES[-1]:,} rows"}
    clear = [
        f"{name} is {ratio:.1f} times as fast {words[size]}"
        for size, (name, ratio) in zip(words, faster, strict=True)
        if ratio >= CLEAR
    ]
    parts = ["Every answer is the same", *(clear or ["speed hardly differs"])]
    parts += [*_crossing(costs), _lightest(footprint)]
    return "; ".join(filter(None, parts)) + "."


def _where(rows: str) -> str:
    return rows if rows == BOUNDARY else f"of {rows}"


def _faster(latency: Sequence[Latency], size: int) -> tuple[str, float]:
    """The fastest backend at a size, and how many times as fast as the next; 1 in doubt."""
    best, second, *_ = sorted((one for one in latency if one.rows == size), key=lambda o: o.p50_us)
    # Where the rounds of both overlap, the order may be chance.
    ratio = second.p50_us / best.p50_us if best.high_us < second.low_us else 1.0
    return best.backend, ratio


def _crossing(costs: Mapping[str, Cost]) -> list[str]:
    steps = Crossover.cheapest(costs).steps[1:]
    return [f"{name} is faster from {rows:,} rows on" for rows, name in steps if rows < MOST]


def _lightest(footprint: Sequence[Footprint]) -> str:
    light, heavy = (
        pick(footprint, key=lambda one: one.memory_bytes + (one.library_bytes or 0))
        for pick in (min, max)
    )
    memory = heavy.memory_bytes - light.memory_bytes
    disk = (heavy.library_bytes or 0) - (light.library_bytes or 0)
    more = [f"{memory / MB:,.0f} MB of memory"] * (memory >= MB)
    more += [f"{disk / MB:,.0f} MB of disk"] * (disk >= MB)
    return f"{light.backend} saves {' and '.join(more)}" if more else ""
