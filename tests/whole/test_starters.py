"""A test that starts a server or a command is found, so that `make quick` leaves it out."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.commands import bentoml_command, ext_command
from tests.support.servers import free_port, serve
from tests.support.spied import serve_spied
from tests.support.starters import reaches


def by_a_helper(home: Path) -> None:
    with serve_spied(home, home):
        pass


def within(home: Path) -> Callable[[], Any]:
    return lambda: serve(home)


@contextmanager
def wrapped(home: Path) -> Any:
    with serve(home) as server:
        yield server


# In a table: a test that named them itself would be found, too.
@pytest.mark.parametrize(
    ("function", "starts"),
    [
        (by_a_helper, True),
        (within, True),
        (wrapped, True),
        (bentoml_command, True),
        (ext_command, False),
        (free_port, False),
    ],
)
def test_a_function_that_starts_a_process_is_found(
    function: Callable[..., Any], starts: bool
) -> None:
    assert reaches(function, set()) is starts
