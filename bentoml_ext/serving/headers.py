"""Headers: names and values of a request or an answer, as ASGI has them."""

from __future__ import annotations

from typing import Final, TypeAlias

__all__ = ["JSON", "Headers"]

JSON: Final = "application/json"

Headers: TypeAlias = list[tuple[bytes, bytes]]
"""Names in lower case."""
