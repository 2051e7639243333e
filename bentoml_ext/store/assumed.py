"""Assumed: what nobody said of a model that its training handed over, in the words of an import."""

from __future__ import annotations

from bentoml_ext.encoders.encoder import Encoder
from bentoml_ext.store.origin import Assumption

__all__ = ["handed_over"]


def handed_over(encoder: Encoder, *, named: bool, marked: bool, checked: bool) -> list[Assumption]:
    """What `save_model` assumes of a booster and its encoder.

    Args:
        encoder: application to row.
        named: whether the booster has names of its columns.
        marked: whether the encoder or an estimator says what is missing.
        checked: whether the trainer's own predictions show the order of the columns.
    """
    found = []
    if not (named or checked):
        why = "assumed: the booster has no names, and nothing has checked the order (check=FILE)"
        order = f"{encoder.n_features}, in the encoder's order"
        found.append(Assumption("columns", order, why))
    if not marked:
        why = "assumed: no booster says it (missing=NUMBER of the encoder)"
        found.append(Assumption("missing", "NaN alone", why))
    return found
