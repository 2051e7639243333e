"""Column: which column of a file holds the trainer's predictions."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import Final

from bentoml_ext.errors import UnreadableInput

__all__ = ["INDEX", "find_column"]

KNOWN: Final = re.compile(
    r"(model|raw)?(predict(ed|ions?)?|preds?|y?pred|yhat|score|scores)(proba?|probability|scores?|1)?"
    r"|y?(p|proba?|probs|probability|probabilities|score|margins?|logits?|logodds|pd)1?"
)
"""Names of predictions, in small letters and without marks."""

INDEX: Final = re.compile(r"|index|level_\d+|Unnamed: \d+|__index_level_\d+__")
"""Names that pandas gives to an index."""


def find_column(
    names: Sequence[str],
    fields: Collection[str],
    key: str,
    asked: str | None,
    width: int | None = None,
) -> tuple[list[str], str]:
    """The names of the prediction's column, or of those of predict_proba, and why, if guessed.

    Args:
        names: of all columns.
        fields: of the application; none of them holds a prediction.
        key: of the answer under the policy, as "Status": labels may stand under it.
        asked: the name that the user gave, or several with commas between.
        width: how many numbers a whole prediction has; None of a log-odds.

    Raises:
        UnreadableInput: no such column, or several that might be it; names them.
    """
    others = [name for name in names if name not in fields and not INDEX.fullmatch(name)]
    if asked is not None:
        several = [name.strip() for name in asked.split(",")]
        is_one = width is None or width == 1 or asked in names or len(several) == 1
        each = [asked] if is_one else several
        return [name for one in each for name in _asked(names, fields, one)], ""
    known = [name for name in others if KNOWN.fullmatch(_plain(name))]
    # A column named by the policy's key may hold the outcome: it counts only without another one.
    known = known or [name for name in others if name == key]
    if pair := _pair(others) if width is None else _numbered(others, width):
        known = [name for name in known if name not in pair] + pair
        if known == pair:
            return pair, ""
    if len(known) == 1:
        return known, ""
    if len(others) == 1:
        return others, f"'{others[0]}' is taken as the only column without a field."
    among = ", ".join(f"'{name}'" for name in (known or others)[:12]) or "none besides the fields"
    raise UnreadableInput(
        f"Expected one column of predictions, got {among} - at the check. "
        "Name it with --prediction COLUMN."
    )


def _asked(names: Sequence[str], fields: Collection[str], asked: str) -> list[str]:
    if asked in fields:
        raise UnreadableInput(
            f"Expected the column of the predictions, got '{asked}', a field of the model - at "
            "--prediction."
        )
    if asked in names:
        return [asked]
    near = [name for name in names if _plain(name) == _plain(asked)]
    hint = f" Is it '{near[0]}'?" if near else ""
    raise UnreadableInput(
        f"Expected one of the columns {', '.join(names)}, got '{asked}' - at --prediction.{hint}"
    )


def _pair(names: Sequence[str]) -> list[str]:
    """Two names that differ in a 0 and a 1 at their end, as those of predict_proba's columns."""
    zeros = [
        name for name in names if name.endswith("0") and not name[:-1].endswith(tuple("0123456789"))
    ]
    pairs = [[name, name[:-1] + "1"] for name in zeros if name[:-1] + "1" in names]
    more = [name for pair in pairs for name in names if name == pair[0][:-1] + "2"]
    if more:
        raise UnreadableInput(
            f"Expected predictions of two classes, got a column '{more[0]}', too - at the check. "
            "Name the column with --prediction."
        )
    return pairs[0] if len(pairs) == 1 else []


def _numbered(names: Sequence[str], width: int) -> list[str]:
    """Names that differ in the number at their end, from 0, as those of predict_proba's columns."""
    starts = [name[:-1] for name in names if name.endswith("0")]
    found = [[f"{start}{number}" for number in range(width)] for start in starts]
    whole = [each for each in found if set(each) <= set(names)]
    return whole[0] if len(whole) == 1 and width > 1 else []


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())
