"""Memory limit: a process that may take too little says so in one line."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Final

from bentoml_ext.errors import ConfigError

__all__ = ["within_memory"]

LEAST_BYTES: Final = 1_000_000 * 1024
"""Addresses that the libraries of training take, with a few threads."""

WORDS: Final = {
    "bad_alloc": "memory",
    "failed to map segment": "memory",
    "Cannot allocate memory": "memory",
    "can't start new thread": "memory or threads",
}
"""What libraries say of what they did not get, in errors of many classes."""


@contextmanager
def within_memory() -> Iterator[None]:
    """Run what loads the libraries of training, and say of used up memory that it is.

    Raises:
        ConfigError: the process may take too little, or memory is used up.
    """
    _check_limit()
    try:
        yield
    except Exception as error:
        what = "memory" if isinstance(error, MemoryError) else None
        what = next((WORDS[word] for word in WORDS if word in str(error)), what)
        if what is None:
            raise
        raise ConfigError(
            f"Expected more {what}, got none - at this process. Free some, or raise its limit."
        ) from error


def _check_limit() -> None:
    """Refuse a limit under which loading SciPy does not end: OpenBLAS tries for ever."""
    if sys.platform == "win32" or find_spec("scipy") is None:
        return
    import resource

    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit != resource.RLIM_INFINITY and limit < LEAST_BYTES:
        raise ConfigError(
            f"Expected at least {LEAST_BYTES:,} bytes of memory, got {limit:,} - at this process's "
            "limit. Raise it: `ulimit -v 1200000`."
        )
