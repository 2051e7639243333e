"""Given: arguments that nobody declares are refused, and not ignored."""

from __future__ import annotations

import re
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import bentoml
from pydantic import AliasChoices, BaseModel

from bentoml_ext.errors import ConfigError
from bentoml_ext.internals.command_line import command_line_arguments
from bentoml_ext.settings import NAMES

__all__ = ["check_arguments"]

CALL = re.compile(r"\buse_arguments(?:\s+as\b|\(\s*(?:model\s*=\s*)?([\w.]*))")

OURS = Path(__file__).parent.parent


def check_arguments(service: type) -> None:
    """Refuse an argument that neither this package nor a module of the user's declares.

    A module that takes whatever comes (`bentoml.use_arguments()`, or a model that allows extra
    fields) may mean any name, so nothing is refused there.

    Args:
        service: the class that is served.

    Raises:
        ConfigError: names the argument and the known ones.
    """
    given = {**vars(bentoml.use_arguments()), **command_line_arguments()}
    known = {name.lower() for name in NAMES}
    unknown = sorted(map(str, given.keys() - known))
    if not unknown:
        return
    for module in _modules_of_the_user(service):
        declared = _declared(module)
        if declared is None:
            return
        known |= declared
    for name in unknown:
        if name not in known:
            raise ConfigError(
                f"Expected one of {', '.join(sorted(known))}, got '{name}' - at --arg {name}="
                f"{given[name]}. Mend or leave out the argument."
            )


def _modules_of_the_user(service: type) -> Iterator[ModuleType]:
    """Modules that are not Python's, not this package's, and not installed, but for the service's.

    Sorted neither by name nor by time: all of them are asked.
    """
    installed = [Path(path) for path in sysconfig.get_paths().values()]
    bases = {base.__module__ for base in service.__mro__}
    for name, module in list(sys.modules.items()):
        path = Path(getattr(module, "__file__", None) or "")
        if path.suffix != ".py" or path.is_relative_to(OURS):
            continue
        if name in bases or not any(path.is_relative_to(folder) for folder in installed):
            yield module


def _declared(module: ModuleType) -> set[str] | None:
    """Names of arguments that a module declares; None if it takes whatever comes."""
    names: set[str] = set()
    try:
        source = Path(str(module.__file__)).read_text("utf-8", "replace")
    except OSError:
        return None
    for call in CALL.finditer(source):
        found: Any = module
        for part in (call[1] or "").split("."):
            found = getattr(found, part, None)
        if not (isinstance(found, type) and issubclass(found, BaseModel)):
            return None
        if found.model_config.get("extra") == "allow":
            return None
        names |= _names(found)
    return names


def _names(model: type[BaseModel]) -> set[str]:
    """Every name by which a field of the model may be given."""
    names: set[str] = set()
    for name, field in model.model_fields.items():
        alias = field.validation_alias
        choices = alias.choices if isinstance(alias, AliasChoices) else [alias]
        names |= {name, field.alias or name}
        names |= {str(choice) for choice in choices if isinstance(choice, str)}
    return names
