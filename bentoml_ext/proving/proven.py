"""Proven: a proof, and what goes with it into the bundle."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import msgspec

from bentoml_ext.errors import ProofFailed
from bentoml_ext.proof.record import PROOF, Acceptance, Part, Proof
from bentoml_ext.proof.stored_rows import PROOF_ROWS, ProofRows

__all__ = ["Proven"]


@dataclass(frozen=True, eq=False)
class Proven:
    """A proof and what goes with it into the bundle.

    Args:
        proof: what was found; it may not hold.
        rows: some of the rows, with the booster's answers.
    """

    proof: Proof
    rows: ProofRows

    def with_part(self, part: Part) -> Proven:
        """The same with one more part."""
        parts = [*self.proof.parts, part]
        return replace(self, proof=msgspec.structs.replace(self.proof, parts=parts))

    def accepted(self, acceptance: Acceptance) -> Proven:
        """The same with what the trainer's own predictions said."""
        return replace(self, proof=msgspec.structs.replace(self.proof, acceptance=acceptance))

    def files(self, facts: dict[str, Any]) -> dict[str, bytes]:
        """proof.json and proof.npy.

        Args:
            facts: what the bundle's manifest says of the model.

        Raises:
            ProofFailed: it does not hold. The message names the first row and tree that differ.
        """
        if not self.proof.holds:
            raise ProofFailed(f"{self.proof.reason} Nothing was written.")
        rows = self.rows.to_npy()
        return {PROOF: self.proof.binding({PROOF_ROWS: rows}, facts).to_json(), PROOF_ROWS: rows}
