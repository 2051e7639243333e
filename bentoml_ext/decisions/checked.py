"""Checked: texts and numbers of a policy, as Python or a file gives them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, TypeAlias

import numpy as np

from bentoml_ext.errors import ConfigError

__all__ = ["KEY", "Label", "key", "label", "labels", "number", "of_one_kind", "text", "texts"]

Label: TypeAlias = str | int
"""What a decision answers: a text or a whole number."""

LARGEST: Final = 2**53
"""Readers of JSON with float64 alone know the whole numbers up to this one."""

RESERVED: Final = frozenset({"probability", "margin", "model", "error"})
"""What stands beside the answer in JSON, Arrow and Parquet; many readers ignore upper case."""

KEY: Final = "key"


def number(value: Any, where: str) -> float:
    """A number as a float.

    Raises:
        ConfigError: it is not a number; `where` says of what.
    """
    # bool is an int to Python, and no probability.
    if isinstance(value, bool) or not isinstance(value, int | float | np.floating):
        raise ConfigError(f"Expected a number, got {value!r} - at {where}.")
    try:
        return float(value)
    except OverflowError as error:
        raise ConfigError(f"Expected a number below 1, got {value!r} - at {where}.") from error


def text(value: Any, where: str) -> str:
    """A text as a plain str.

    Raises:
        ConfigError: it is not a text, or an empty one; `where` says of what.
    """
    if not isinstance(value, str) or not value.strip():
        raise ConfigError(f"Expected a text that is not empty, got {value!r} - at {where}.")
    # A subclass, such as an Enum, may print as another text than it is.
    plain = str.__str__(value)
    # A lone surrogate has no UTF-8, and a NUL ends a name where Arrow hands it to C.
    if "\0" in plain or plain.encode(errors="replace").decode() != plain:
        raise ConfigError(f"Expected a text in UTF-8 without NUL, got {value!r} - at {where}.")
    return plain


def label(value: Any, where: str) -> Label:
    """A text as a plain str, or a whole number as a plain int.

    Raises:
        ConfigError: it is neither; `where` says of what.
    """
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        return text(value, where)
    if abs(int(value)) > LARGEST:
        raise ConfigError(f"Expected a whole number up to 2**53, got {value} - at {where}.")
    return int(value)


def of_one_kind(values: Sequence[Label], where: str) -> None:
    """Refuse texts beside whole numbers.

    Raises:
        ConfigError: names one of each; `where` says of what.
    """
    if len({type(value) for value in values}) > 1:
        raise ConfigError(
            f"Expected texts or whole numbers, got both: {list(values)[:5]} - at {where}."
        )


def labels(values: Any, where: str, name: str) -> tuple[Label, ...]:
    """Texts or whole numbers, each once.

    Args:
        values, where, name: as `texts`.

    Raises:
        ConfigError: another type than a list of such, both kinds, or one twice.
    """
    if not isinstance(values, list | tuple):
        raise ConfigError(f"Expected a tuple of {name}, got {values!r} - at the policy's '{name}'.")
    plain = tuple(label(value, where) for value in values)
    of_one_kind(plain, f"the policy's '{name}'")
    _each_once(plain, name)
    return plain


def texts(values: Any, where: str, name: str) -> tuple[str, ...]:
    """Texts, each once.

    Args:
        values: a list or a tuple.
        where: what each is, for the message.
        name: of the policy's part.

    Raises:
        ConfigError: another type than a list of texts, an empty text, or one twice.
    """
    if not isinstance(values, list | tuple):
        raise ConfigError(f"Expected a tuple of {name}, got {values!r} - at the policy's '{name}'.")
    plain = tuple(text(value, where) for value in values)
    _each_once(plain, name)
    return plain


def _each_once(plain: Sequence[Label], name: str) -> None:
    if twice := [value for value in plain if plain.count(value) > 1]:
        raise ConfigError(
            f"Expected each of the {name} once, got {min(twice)!r} twice - at the policy's "
            f"'{name}'."
        )


def key(value: Any) -> str:
    """The name of an answer.

    Raises:
        ConfigError: it is not a text, or an answer has it already.
    """
    name = text(value, f"the policy's '{KEY}'")
    if name.strip().casefold() in RESERVED:
        raise ConfigError(
            f"Expected a key other than {', '.join(sorted(RESERVED))}, got {name!r} - at the "
            "policy's 'key'. An answer has these beside its key: give the key another name."
        )
    return name
