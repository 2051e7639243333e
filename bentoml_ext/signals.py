"""Signals: a process that one ends says nothing, and leaves nothing half-written."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, Never

__all__ = ["ended_by_signal"]

ENDING: Final = [signal.SIGINT, signal.SIGTERM]
if sys.platform != "win32":
    ENDING.append(signal.SIGHUP)


@contextmanager
def ended_by_signal() -> Iterator[None]:
    """Turn SIGINT, SIGTERM and SIGHUP into a silent exit that runs each `finally` of the block.

    The exit code is 128 and the signal's number, as a shell has it. A second signal ends the
    process at once. A signal that the process was started to ignore, as by `nohup`, stays ignored.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []

    def end(number: int, _: Any) -> Never:
        came.append(number)
        for each in before:
            signal.signal(each, signal.SIG_DFL)
        if number == signal.SIGINT:
            # What BentoML and other libraries expect.
            raise KeyboardInterrupt
        raise SystemExit(128 + number)

    before = {each: signal.getsignal(each) for each in ENDING}
    # None is a handler that Python has not set.
    before = {each: old for each, old in before.items() if old not in (signal.SIG_IGN, None)}
    for each in before:
        signal.signal(each, end)
    try:
        yield
    except BaseException as error:
        if came:
            # Some libraries make another error of it: an interrupted import is an ImportError.
            raise SystemExit(128 + came[0]) from error
        raise
    finally:
        for each, old in before.items() if not came else ():
            signal.signal(each, old)
