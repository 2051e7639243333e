"""Choices: a choice of many in few words, and the one that a wrong word may mean."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any, Final

__all__ = ["like", "meant", "one_of", "some_of", "spelled", "words"]

SHOWN: Final = 20
"""A list up to this length is shown whole; of a longer list three names and the number."""

MAX_LETTERS: Final = 500_000
"""Of all names together: the index with a letter less is below some 50 MB. Of more, case and blanks
alone are looked past."""

MAX_TEXT: Final = 100

_INDICES: dict[int, tuple[tuple[str, ...], dict[str, str]]] = {}
"""By the identity of the names: a field has the same ones for ever, and many have no quick hash."""

MAX_INDICES: Final = 32


def words(value: Any) -> str:
    """A name or an option, short enough for a message."""
    return _short("null" if value is None else repr(value))


def spelled(value: Any) -> str:
    """A value that came, as JSON spells it, short enough for a message."""
    if isinstance(value, Decimal):
        return _short(str(value))
    try:
        text = json.dumps(value, ensure_ascii=False, default=_plain_value)
        # A lone surrogate, or what would turn a line around, is escaped.
        return _short(text if text.isprintable() else json.dumps(value, default=_plain_value))
    except RecursionError:
        return "a value nested too deep"
    except (TypeError, ValueError):
        # No key of JSON, or a value within itself: only Python can send one.
        return f"a value of Python's type {type(value).__name__}"


def _short(text: str) -> str:
    return text if len(text) <= 60 else text[:57] + "..."


def _plain_value(value: Any) -> Any:
    """A value of Arrow or numpy as JSON can hold it."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    plain = value.item() if hasattr(value, "item") else value
    # numpy's longdouble is an item of itself.
    return str(plain) if type(plain) is type(value) else plain


def some_of(names: Sequence[str]) -> str:
    """Names in a row; of many, some and how many more there are."""
    if len(names) <= SHOWN:
        return ", ".join(names)
    return f"{', '.join(names[:3])} and {len(names) - 3} more"


def one_of(texts: Sequence[str]) -> str:
    """The words for one of these texts."""
    if len(texts) <= SHOWN:
        return "one of " + ", ".join(map(words, texts))
    return f"one of {len(texts)} texts, such as {', '.join(map(words, texts[:3]))}"


def like(name: str, names: Sequence[str]) -> str | None:
    """The first of the names that is the same but for case, blanks, underscores and hyphens."""
    wanted = _letters(name)
    return next((other for other in names if _letters(other) == wanted), None)


def meant(text: str, names: tuple[str, ...]) -> str | None:
    """The name of many that a text may mean, but for case, blanks or a letter; None for none.

    The time does not grow with the number of names, but for the first text.

    Args:
        text: not one of the names.
        names: the choices; a short list is in the message already, and gets no hint.
    """
    if len(names) <= SHOWN or len(text) > MAX_TEXT:
        return None
    index = _index(names)
    return next((index[key] for key in (_plain(text), *_shorter(text)) if key in index), None)


def _index(names: tuple[str, ...]) -> dict[str, str]:
    """Names by what is left of them without case and blanks, and by that with a letter less."""
    kept, index = _INDICES.get(id(names), ((), {}))
    if kept is names:
        return index
    index = {_plain(name): name for name in names}
    if sum(map(len, names)) <= MAX_LETTERS:
        for name in names:
            for key in _shorter(name[:MAX_TEXT]):
                index.setdefault(key, name)
    while len(_INDICES) >= MAX_INDICES:
        _INDICES.pop(next(iter(_INDICES)), None)
    _INDICES[id(names)] = names, index
    return index


def _letters(name: str) -> str:
    return _plain(name).replace("_", "").replace("-", "").replace("\ufeff", "")


def _plain(text: str) -> str:
    return "".join(text.casefold().split())


def _shorter(text: str) -> Iterator[str]:
    """The plain text with one letter less, for each letter; of a very short one nothing."""
    plain = _plain(text)
    if len(plain) > 3:
        yield from (plain[:place] + plain[place + 1 :] for place in range(len(plain)))
