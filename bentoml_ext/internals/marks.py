"""Marks: attributes by which BentoML knows what a class is to it."""

from __future__ import annotations

from typing import ClassVar

__all__ = ["BeforeStart", "RootInput"]


class BeforeStart:
    """An object in a service class that BentoML calls once, before the workers start.

    BentoML marks what `@bentoml.on_deployment` decorates so.
    """

    __bentoml_deployment_hook__: ClassVar[bool] = True


class RootInput:
    """A descriptor whose value is the whole body, and not a field of it."""

    __root_input__: ClassVar[bool] = True
