"""The one error of the credit model's own: data that it cannot be trained on."""

from __future__ import annotations

from bentoml_ext.errors import BentoMLExtError

__all__ = ["DataRefused"]


class DataRefused(BentoMLExtError, ValueError):
    """Data to train on that are not what they should be; whoever brought the file mends it."""
