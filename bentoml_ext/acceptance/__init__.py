"""Acceptance: an import is compared with what the trainer's own model said."""

from bentoml_ext.acceptance.accepting import Accepted, accept, confirm
from bentoml_ext.acceptance.check import Check

__all__ = ["Accepted", "Check", "accept", "confirm"]
