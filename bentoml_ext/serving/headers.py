"""Headers: names and values of a request or an answer, as ASGI has them."""

from __future__ import annotations

from typing import TypeAlias

__all__ = ["Headers"]

Headers: TypeAlias = list[tuple[bytes, bytes]]
"""Names in lower case."""
