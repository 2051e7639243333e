"""Finds the tests that start a server or a BentoML command of their own: these are slow.

A server takes 5 s of a processor to start, a command 2 s. A test that forgets the mark would make
`make quick` slow; this module reads the code instead.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from types import CodeType, FunctionType
from typing import Any

import pytest

from bentoml_ext.compare.backends import compare_backends
from tests.support import commands, servers

__all__ = ["starts_a_process"]

# A tuple: a function that uses this name does not thereby name the starter.
STARTERS = (inspect.unwrap(servers.running), commands.bentoml_command, compare_backends)
"""Every server and most commands of the tests start here; a comparison loads each backend so."""

SHARED = ("package", "session")
"""Scopes of fixtures whose server serves many files."""


def starts_a_process(item: pytest.Item) -> bool:
    """Whether a test, or a fixture that only its file uses, starts a server or a command."""
    if not isinstance(item, pytest.Function):
        return False
    info = item._fixtureinfo
    fixtures = [found[-1] for found in info.name2fixturedefs.values() if found]
    own = [fixture.func for fixture in fixtures if fixture.scope not in SHARED]
    return any(reaches(function, set()) for function in (item.function, *own))


def reaches(function: Callable[..., Any], seen: set[object]) -> bool:
    """Whether a function, or a function of the tests that it names, is a starter."""
    # contextlib wraps functions; the code is in the innermost one.
    function = inspect.unwrap(function)
    if function in STARTERS:
        return True
    if function in seen or not isinstance(function, FunctionType):
        return False
    seen.add(function)
    if not function.__module__.startswith("tests."):
        return False
    named = (function.__globals__.get(name) for name in names_in(function.__code__))
    return any(reaches(other, seen) for other in named if callable(other))


def names_in(code: CodeType) -> Iterator[str]:
    """The names that a function and the functions in it use."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from names_in(constant)
