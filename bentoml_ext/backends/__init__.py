"""Backends: rows become margins."""

from bentoml_ext.backends.base import Backend

__all__ = ["Backend"]
