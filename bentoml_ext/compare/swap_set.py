"""Swap set: who gets another decision, and what became of them."""

from __future__ import annotations

import msgspec
import numpy as np

from bentoml_ext.arrays import Bools, Ints
from bentoml_ext.compare.interval import Interval, wilson
from bentoml_ext.compare.scored import Scored

__all__ = ["Group", "SwapCell", "Trade", "same_approval_rate", "same_bad_rate", "swap_set"]


class Group(msgspec.Struct, frozen=True):
    """Some applications.

    Args:
        count: how many.
        known: of them with a known outcome.
        bads: of these.
        bad_rate: with Wilson's interval; None where no outcome is known.
        amount: sum of their amounts; None where there is no column of amounts.
        bad_amount: of the bads; None where no outcome is known, too.
    """

    count: int
    known: int
    bads: int
    bad_rate: Interval | None
    amount: float | None = None
    bad_amount: float | None = None


class SwapCell(msgspec.Struct, frozen=True):
    """The applications with one answer before and one after.

    Args:
        champion, challenger: the answers.
        group: who gets them.
    """

    champion: str
    challenger: str
    group: Group


class Trade(msgspec.Struct, frozen=True, kw_only=True):
    """The best answer of both versions, the challenger's cut-off set anew.

    Args:
        same: what is equal for both, as near as ties allow: "approval rate" or "bad rate".
        cutoff: the challenger's highest probability that still gets the best answer.
        champion_rate, challenger_rate: shares that get it.
        both, swapped_in, swapped_out, neither: who gets it; swapped in are the challenger's alone.
        champion_group, challenger_group: all who get it.
    """

    same: str
    cutoff: float
    champion_rate: float
    challenger_rate: float
    both: Group
    swapped_in: Group
    swapped_out: Group
    neither: Group
    champion_group: Group
    challenger_group: Group


def swap_set(champion: Scored, challenger: Scored) -> list[SwapCell]:
    """A cell for each pair of answers, at each policy's own cut-offs."""
    return [
        SwapCell(before, after, group(champion, (champion.bands == i) & (challenger.bands == j)))
        for i, before in enumerate(champion.statuses)
        for j, after in enumerate(challenger.statuses)
    ]


def group(scored: Scored, which: Bools) -> Group:
    """Those of the applications that `which` marks."""
    known = int((which & scored.is_known).sum())
    bads = int((which & scored.is_bad).sum())
    found = Group(int(which.sum()), known, bads, wilson(bads, known))
    amounts = scored.beside.amounts
    if amounts is None:
        return found
    of_bads = float(np.nansum(amounts[which & scored.is_bad])) if known else None
    return msgspec.structs.replace(
        found, amount=float(np.nansum(amounts[which])), bad_amount=of_bads
    )


def same_approval_rate(champion: Scored, challenger: Scored) -> Trade | None:
    """The trade if the challenger gave its best answer to as many; None if nobody gets it."""
    wanted = int((champion.bands == 0).sum())
    order = challenger.margins[challenger.order]
    ends = np.flatnonzero(np.append(order[1:] != order[:-1], True)) + 1
    if not wanted or not len(ends):
        return None
    # Equal scores are approved together: the count that is nearest.
    nearest = int(ends[np.argmin(np.abs(ends - wanted))])
    return _trade("approval rate", champion, challenger, float(order[nearest - 1]))


def same_bad_rate(champion: Scored, challenger: Scored) -> Trade | None:
    """The trade at the highest cut-off whose bad rate is not above the champion's.

    None where no outcome is known of those with the best answer, or no cut-off is low enough.
    """
    rate = group(champion, champion.bands == 0).bad_rate
    if rate is None:
        return None
    known = challenger.known
    margins = known.margins[known.order]
    ends: Ints = np.flatnonzero(np.append(margins[1:] != margins[:-1], True))
    bad_rates = np.cumsum(known.is_bad[known.order])[ends] / (ends + 1)
    low = np.flatnonzero(bad_rates <= rate.value)
    if not len(low):
        return None
    return _trade("bad rate", champion, challenger, float(margins[ends[low[-1]]]))


def _trade(same: str, champion: Scored, challenger: Scored, margin: float) -> Trade:
    before, after = champion.bands == 0, challenger.margins <= np.float32(margin)
    probabilities = challenger.probabilities[after]
    return Trade(
        same=same,
        cutoff=float(probabilities.max()),
        champion_rate=float(before.mean()),
        challenger_rate=float(after.mean()),
        both=group(champion, before & after),
        swapped_in=group(champion, ~before & after),
        swapped_out=group(champion, before & ~after),
        neither=group(champion, ~before & ~after),
        champion_group=group(champion, before),
        challenger_group=group(champion, after),
    )
