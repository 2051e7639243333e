"""Startup: what a serving process sets once: garbage collection, and a log nobody reads."""

from __future__ import annotations

import gc
import logging

__all__ = ["freeze_startup_objects"]

YOUNG = 10_000
"""Objects between two looks at the youngest; a request makes dozens, and nearly all die at once."""


def freeze_startup_objects() -> None:
    """Keep the collector off everything that has been imported and loaded by now.

    Without it a full collection walks the imported modules, half a million objects, and every
    request waits for it: pauses of 60 to 230 ms. It does not walk them now either: a start leaves
    146 objects in dead cycles, and looking for them takes 45 ms.
    """
    gc.freeze()
    gc.set_threshold(YOUNG, 20, 100)
    # uvicorn words an access-log line for every request, which BentoML's settings then drop; its
    # own access log is another one. Without a handler, uvicorn does not begin.
    access = logging.getLogger("uvicorn.access")
    access.handlers.clear()
    access.propagate = False
