"""Words for float32 numbers in results: their exact value."""

from __future__ import annotations

from typing import Any

import numpy as np

from bentoml_ext.export.ensemble import Floats

__all__ = ["word_of", "words_of"]


def word_of(value: Any) -> str:
    """A float in hex, anything else as it is."""
    return float(value).hex() if isinstance(value, np.floating) else str(value)


def words_of(values: Floats) -> str:
    """Floats in hex, with spaces between."""
    return " ".join(float(value).hex() for value in values)
