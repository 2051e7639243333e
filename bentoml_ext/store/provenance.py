"""Provenance: which XGBoost made a model, which proved it, and which is here.

XGBoost does not promise the same bits between its own versions. An older one may read the file of a
newer one without a word and score it otherwise.
"""

from __future__ import annotations

import msgspec

from bentoml_ext.distributions import installed, number
from bentoml_ext.proof.record import Proof
from bentoml_ext.store.bundle import Manifest

__all__ = ["Provenance", "made_with"]


class Provenance(msgspec.Struct, frozen=True):
    """The versions of XGBoost that a model met; empty where none is known.

    Args:
        made_with: wrote the model.
        proven_with: gave the bits that every form of the model was proven against.
        serving_with: is installed here; empty where none is.
        older: whether that is older than one of the others.
    """

    made_with: str
    proven_with: str
    serving_with: str
    older: bool

    @classmethod
    def of(cls, manifest: Manifest, proof: Proof) -> Provenance:
        """The provenance of a stored model, on this machine."""
        made = made_with(manifest)
        proven = proof.versions.get("xgboost", "")
        here = str(installed("xgboost") or "")
        older = bool(here) and number(here) < max(number(made), number(proven))
        return cls(made, proven, here, older)

    def __str__(self) -> str:
        text = f"made with XGBoost {self.made_with or 'unknown'}, "
        text += f"proven with {self.proven_with or 'unknown'}"
        return f"{text}; here is {self.serving_with}, which is older" if self.older else text


def made_with(manifest: Manifest) -> str:
    """The XGBoost named by a stored model's own file, otherwise the one that stored the model."""
    named = manifest.origin.xgboost if manifest.origin else ""
    return named or manifest.versions.get("xgboost", "")
