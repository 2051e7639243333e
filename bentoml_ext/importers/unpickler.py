"""Unpickler: reads a pickle whose every name is admitted; a pickle of other names is refused."""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable
from typing import Any, ClassVar, Final, TypeAlias

from bentoml_ext.errors import ImportRefused

__all__ = ["Unpickler"]

_Load: TypeAlias = Callable[[Any], None]

_MOST_DEEP: Final = 20
"""Tuples in tuples: those of numpy's states are two deep."""

_LOADS: Final[dict[int, Any]] = pickle._Unpickler.dispatch
_TUPLES: Final = (pickle.TUPLE, pickle.TUPLE1, pickle.TUPLE2, pickle.TUPLE3)
_LEFT_OUT: Final = (pickle.BYTEARRAY8, pickle.NEXT_BUFFER, pickle.READONLY_BUFFER)
_LEFT_OUT_TOO: Final = (pickle.EXT1, pickle.EXT2, pickle.EXT4, pickle.PERSID, pickle.BINPERSID)


def _checked_tuple(load: _Load) -> _Load:
    """Make a tuple, unless tuples stand in it too deep: a hash of it might take forever."""

    def checked(unpickler: Unpickler) -> None:
        load(unpickler)
        made = unpickler.stack[-1]
        depth = 1 + max((unpickler.depths.get(id(one), (0,))[0] for one in made), default=0)
        if depth > _MOST_DEEP:
            raise ImportRefused(
                f"Expected plain objects, got nested tuples - at {unpickler.place}."
            )
        # With the tuple itself: its id is free for another once it is gone.
        unpickler.depths[id(made)] = depth, made

    return checked


class Unpickler(pickle._Unpickler):
    """Python's own unpickler: that in C makes room for as many objects as a pickle says.

    A class that derives from it says which names `find_class` admits, and which objects take a
    state: an instance, and nothing that lives on after the pickle.

    Args:
        file: of the pickle.
    """

    dispatch: ClassVar[dict[int, Any]] = {
        code: load
        for code, load in _LOADS.items()
        if bytes([code]) not in _LEFT_OUT + _LEFT_OUT_TOO
    } | {code[0]: _checked_tuple(_LOADS[code[0]]) for code in _TUPLES}
    place: str
    stack: list[Any]
    read: Callable[[int], bytes]
    append: Callable[[Any], None]

    def __init__(self, file: io.BytesIO) -> None:
        super().__init__(file)
        self.depths: dict[int, tuple[int, Any]] = {}

    def may_build(self, made: Any) -> bool:
        """Whether an object takes a state."""
        raise NotImplementedError

    def load_build(self) -> None:
        """Give an object its state."""
        made = self.stack[-2]
        if not self.may_build(made):
            raise ImportRefused(
                f"Expected a state of an object that is admitted, got one of "
                f"{type(made).__name__} - at {self.place}. Nothing of it was run."
            )
        _LOADS[pickle.BUILD[0]](self)

    dispatch[pickle.BUILD[0]] = load_build
