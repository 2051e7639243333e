"""Marks: attributes by which BentoML knows what a class is to it."""

from __future__ import annotations

from typing import ClassVar

__all__ = ["RootInput"]


class RootInput:
    """A descriptor whose value is the whole body, and not a field of it."""

    __root_input__: ClassVar[bool] = True
