"""Descriptions: model.yaml and bento.yaml, which BentoML reads and which may hold anything."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from bentoml.exceptions import BentoMLException

from bentoml_ext.errors import BundleError

__all__ = ["reading"]

_DESCRIBERS: Final = ("bentoml._internal.models.model", "bentoml._internal.bento.bento")
"""Loggers of what reads model.yaml and bento.yaml."""


@contextmanager
def reading(place: str) -> Iterator[None]:
    """A block in which BentoML reads model.yaml or bento.yaml, and our error where it cannot.

    Raises:
        BundleError: YAML, cattrs or Python refuse a description; BentoML logs that, too.
    """
    loggers = [logging.getLogger(name) for name in _DESCRIBERS]
    before = [logger.disabled for logger in loggers]
    for logger in loggers:
        logger.disabled = True
    try:
        yield
    except (BentoMLException, OSError):
        raise
    except Exception as error:
        message = (str(error).strip().splitlines() or [""])[0]
        raise BundleError(
            f"Expected what BentoML describes it by, got {type(error).__name__}: {message:.200} - "
            f"at {place}. Restore that version, or delete its folder."
        ) from error
    finally:
        for logger, disabled in zip(loggers, before, strict=True):
            logger.disabled = disabled
