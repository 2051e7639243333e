"""Policy: the answers of the credit model."""

from __future__ import annotations

from typing import Final

from bentoml_ext.decisions.policy import Band, Bands

__all__ = ["POLICY"]

POLICY: Final = Bands("Status", (Band(0.5, "DECLINED"), Band(0.3, "MAYBE")), "APPROVED")
"""The course's: declined above one half, looked at by a person above 0.3."""
