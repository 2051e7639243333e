"""Verdict: what changes, in one sentence, and what the figures cannot say."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from bentoml_ext.compare.grid import figure
from bentoml_ext.compare.interval import Interval
from bentoml_ext.compare.predictions.answered import Answered
from bentoml_ext.compare.predictions.kind import Kind
from bentoml_ext.compare.predictions.measures import FEWEST, Measure
from bentoml_ext.compare.predictions.predicting import Predicting
from bentoml_ext.compare.predictions.sides import Agreement, PredictionSide
from bentoml_ext.compare.stability import FieldShift, Stability

__all__ = ["NAMES", "notes", "spread", "verdict_of_files", "verdict_of_versions"]

FEW: Final = 100
"""Known outcomes below which intervals by the normal distribution are rough."""

NAMES: Final = {
    "rmse": "RMSE",
    "mae": "MAE",
    "r2": "R2",
    "accuracy": "Accuracy",
    "macro_f1": "Macro F1",
    "log_loss": "Log loss",
    "ndcg": "NDCG",
}

METHOD: Final = "95 % intervals are by the central limit theorem. "
PAIRED: Final = "Differences are paired, on the same applications."
SEPARATE: Final = "Differences are those of two independent files."


def spread(one: Interval, sign: str = "") -> str:
    """A figure with its interval."""
    value, low, high = (figure(part, 4, sign) for part in (one.value, one.low, one.high))
    return f"{value} ({low} to {high})"


def verdict_of_versions(kind: Kind, found: Agreement, figures: Sequence[Measure], rows: int) -> str:
    """Two versions in one sentence."""
    parts = [_moved(kind, found, rows)]
    if figures:
        lead = figures[0]
        gap = lead.figures.difference
        is_clear = gap.low > 0 or gap.high < 0
        is_better = (gap.value > 0) == (lead.better == "higher")
        side = ("better" if is_better else "worse") if is_clear else "neither better nor worse"
        parts.append(
            f"the challenger fits {side}{'' if is_clear else ' beyond chance'}: "
            f"{NAMES[lead.name]} {spread(gap, '+')}"
        )
    return "; ".join(parts) + "."


def _moved(kind: Kind, found: Agreement, rows: int) -> str:
    if kind.labels:
        stay = round(found.equal.value * rows)
        share = 1 - found.equal.value
        return f"{rows - stay:,} of {rows:,} classes change ({share:.1%}), {stay:,} do not"
    order = "" if found.order is None else f"; their order agrees to {found.order:.4f} (Spearman)"
    return (
        f"Half of {rows:,} predictions move by at most {figure(found.median or 0)}, 95 % by at "
        f"most {figure(found.high or 0)}{order}"
    )


def verdict_of_files(
    kind: Kind,
    sides: Sequence[PredictionSide],
    psi: Stability | None,
    shift: Sequence[FieldShift],
) -> str:
    """One version on two files in one sentence."""
    first, second = sides
    text = ""
    if first.mean is not None and second.mean is not None:
        text = f"The mean prediction goes from {figure(first.mean)} to {figure(second.mean)}; "
    what = "classes move" if kind.labels else "predictions move"
    if psi is None:
        return f"{text}all of them are in one bin, so that nothing says how far they moved."
    moved = "more" if psi.is_clear else "no more"
    text += f"the {what} {moved} than chance: PSI {psi.psi:.4f}, by chance {psi.critical:.4f}"
    clear = [one for one in shift if one.csi.is_clear]
    fields = ", ".join(f"{one.field} ({one.csi.psi:.3f})" for one in clear[:3])
    end = f"{len(clear)} of {len(shift)} fields do, first {fields}" if clear else "no field does"
    return f"{text[:1].upper()}{text[1:]}; {end}."


def notes(
    part: Predicting, given: Answered, figures: Sequence[Measure], *, is_paired: bool
) -> list[str]:
    """What the outcomes of one side cannot say, in sentences."""
    if not part.outcome:
        return ["No outcome was named: nothing says which predictions fit better."]
    known = given.known
    found = []
    if len(known) < len(given):
        found.append(f"The outcome is known of {len(known):,} of {len(given):,} applications.")
    if len(known) < FEW:
        found.append(f"{len(known):,} outcomes are few: the intervals are wide, and rough.")
    found += _one_sided(part, known)
    if figures:
        found.append(METHOD + (PAIRED if is_paired else SEPARATE))
    return found


def _one_sided(part: Predicting, known: Answered) -> list[str]:
    kind = part.kind
    if kind.task == "order":
        if part.group:
            return ["NDCG is the mean over the groups that have an outcome above 0."]
        return [f"NDCG needs --group COLUMN: which applications of {part.data.path.name} compete."]
    if len(known) < FEWEST or (known.outcomes != known.outcomes[0]).any():
        return []
    if kind.labels:
        label = kind.labels[int(known.outcomes[0])]
        return [f"Every known outcome is {label}: nothing is said of the other classes."]
    return ["Every known outcome is equal: there is no R2."]
