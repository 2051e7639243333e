"""What a worker sets once when it starts."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from bentoml_ext.serving.processes.startup import ARENAS
from bentoml_ext.serving.streaming.turns import AT_ONCE

POOLS = """
import ctypes, sys, threading
from bentoml_ext.serving.processes.startup import share_arenas

share_arenas()
library = ctypes.CDLL(None)
library.malloc.restype = ctypes.c_void_p
together = threading.Barrier(12)

def take():
    library.malloc(100_000)
    together.wait()

threads = [threading.Thread(target=take) for _ in range(12)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
library.fopen.restype = ctypes.c_void_p
file = ctypes.c_void_p(library.fopen(b"/dev/stdout", b"w"))
library.malloc_info(0, file)
library.fflush(file)
"""


@pytest.mark.skipif(os.confstr("CS_GNU_LIBC_VERSION") is None, reason="glibc's alone")
@pytest.mark.parametrize(("given", "pools"), [({}, ARENAS), ({"MALLOC_ARENA_MAX": "2"}, 2)])
def test_threads_share_as_many_pools_as_uploads_that_work(
    given: dict[str, str], pools: int
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", POOLS], env=os.environ | given, stdout=subprocess.PIPE, check=True
    )

    assert done.stdout.count(b"<heap nr=") == pools
    assert ARENAS == AT_ONCE
