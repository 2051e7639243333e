"""Startup: what a serving process sets once: memory of threads, garbage collection, a log."""

from __future__ import annotations

import ctypes
import gc
import logging
import os

from bentoml_ext.internals.lost_log import say_once_that_a_log_is_lost

__all__ = ["freeze_startup_objects", "prepare", "share_arenas"]

M_ARENA_MAX = -8
"""Of glibc's malloc.h."""

ARENAS = 4
"""As many as uploads that work at a time (`turns.AT_ONCE`), so that none waits for another."""

YOUNG = 10_000
"""Objects between two looks at the youngest; a request makes dozens, and nearly all die at once."""


def prepare() -> None:
    """Set what must be set before the model is loaded."""
    share_arenas()
    say_once_that_a_log_is_lost()


def share_arenas() -> None:
    """Let the threads of uploads share `ARENAS` pools of memory, where the C library is glibc.

    glibc gives each thread a pool of its own, up to 8 for each processor, and what a large body
    leaves in one stays there. So a worker would keep memory for each of 48 threads. This has an
    effect only before a process has more than 8 pools. `MALLOC_ARENA_MAX` is the same setting.
    """
    library = ctypes.CDLL(None)
    if hasattr(library, "gnu_get_libc_version") and "MALLOC_ARENA_MAX" not in os.environ:
        library.mallopt(M_ARENA_MAX, ARENAS)


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
