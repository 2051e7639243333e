"""Wrapped: an application as the only value of an object, as BentoML's client may send it."""

from __future__ import annotations

from collections.abc import Container
from typing import Any

__all__ = ["unwrapped", "wrapper"]


def wrapper(fields: Container[str]) -> str:
    """The one key of an object that holds an application; no field has this name."""
    name = "application"
    while name in fields:
        name += "_"
    return name


def unwrapped(application: Any, key: str) -> Any:
    """The application, also if an object holds it as its only value, under `key`."""
    if isinstance(application, dict) and len(application) == 1:
        return application.get(key, application)
    return application
