"""Memory limit: what a process may take, found before libraries that never end under too little."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from typing import Final

from bentoml_ext.errors import ConfigError

__all__ = ["USED_UP", "check_memory_limit"]

LEAST_BYTES: Final = 900_000 * 1024
"""Addresses that the libraries of training take, with a few threads."""

USED_UP: Final = "Expected more memory, got none - at this process. Free some, or raise its limit."


def check_memory_limit() -> None:
    """Refuse a limit of memory under which loading SciPy does not end: OpenBLAS tries for ever.

    Raises:
        ConfigError: names the limit.
    """
    if sys.platform == "win32" or find_spec("scipy") is None:
        return
    import resource

    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit != resource.RLIM_INFINITY and limit < LEAST_BYTES:
        raise ConfigError(
            f"Expected at least {LEAST_BYTES:,} bytes of memory, got {limit:,} - at this process's "
            "limit. Raise it: `ulimit -v 1000000`."
        )
