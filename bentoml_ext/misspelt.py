"""Misspelt: a variable of the environment that was meant to be a setting.

The environment belongs to every program, so a name alone proves nothing: `MODE` and `BACKENDS` may
be another program's. A variable is refused if its name resembles a setting and its value is valid
for that setting. A variable with our prefix is refused too: no setting has the prefix.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

from bentoml_ext.errors import ConfigError

__all__ = ["check_environment"]

PREFIX = "BENTOML_EXT_"
SHORT = 4
"""Letters of a name from which on one letter may differ."""


def check_environment(
    environ: Mapping[str, str], names: Collection[str], takes: Callable[[str, str], bool]
) -> None:
    """Refuse a misspelt variable.

    Args:
        environ: the environment.
        names: of our variables.
        takes: whether the variable of a name takes a value.

    Raises:
        ConfigError: names the variable and the one that was meant.
    """
    for found, value in environ.items():
        if found in names or not value:
            continue
        near = [name for name in names if _is_near(found, name) and takes(name, value)]
        if near or found.startswith(PREFIX):
            raise ConfigError(
                f"Expected {near[0] if near else 'one of ' + ', '.join(names)}, got "
                f"{found}={value} - at the environment. Rename the variable, or unset it."
            )


def _is_near(found: str, name: str) -> bool:
    """Whether two names differ in one letter, two neighbours, case, underscores or a prefix."""
    plain = found.upper().removeprefix(PREFIX).removeprefix("BENTOML_").replace("_", "")
    if len(name) < SHORT:
        # A letter away from UI are CI and UID.
        return plain == name
    return not _shorter(plain).isdisjoint(_shorter(name.replace("_", "")))


def _shorter(word: str) -> set[str]:
    """The word, and it without each of its letters: words one letter apart have one in common."""
    return {word, *(word[:i] + word[i + 1 :] for i in range(len(word)))}
