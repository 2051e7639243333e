"""Fields file: the rules of an application's fields, as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from bentoml_ext import files
from bentoml_ext.encoders.field import Field
from bentoml_ext.encoders.user_rules import Rule
from bentoml_ext.errors import ConfigError

__all__ = ["fields_json", "read_fields"]


def read_fields(path: Path) -> tuple[Rule, ...]:
    """Rules of fields from a file: a JSON list of them, or an object with a rule for each name.

    `GET /model` and `bentoml_ext.Field` name the keys; "expected" is left aside, as it follows
    from the others. Keys that a rule leaves out, and fields without a rule, keep what the model
    says of them.

    Raises:
        ConfigError: another form, an unknown key, a value of another type, a range without a
            number, or a field twice.
    """
    try:
        found = msgspec.json.decode(files.read(path, files.MOST_TEXT_BYTES))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ConfigError(f"Expected rules of fields as JSON, got {error} - at {path}.") from error
    if isinstance(found, Mapping) and isinstance(found.get("fields"), list):
        found = found["fields"]
    if isinstance(found, Mapping):
        found = [{"name": name, **_rule(name, rule, path)} for name, rule in found.items()]
    if not isinstance(found, list) or not found:
        got = type(found).__name__ if found else "none"
        raise ConfigError(f"Expected rules of fields, got {got} - at {path}.")
    rules = tuple(_field(index, rule, path) for index, rule in enumerate(found))
    names = [rule.name for rule in rules]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ConfigError(f"Expected each field once, got '{twice[0]}' twice - at {path}.")
    return rules


def fields_json(fields: Iterable[Field]) -> bytes:
    """Fields as a file of rules that `read_fields` reads: an object with a rule for each name."""
    rules = {field.name: msgspec.to_builtins(field) for field in fields}
    for rule in rules.values():
        # Under its name; and the one key that each kind of field has is always there to be edited.
        del rule["name"]
        rule.setdefault("nullable", False)
    return msgspec.json.format(msgspec.json.encode(rules), indent=1) + b"\n"


def _rule(name: str, rule: Any, path: Path) -> Mapping[str, Any]:
    if not isinstance(rule, Mapping):
        raise ConfigError(f"Expected a rule, got {rule!r} - at field '{name}' of {path}.")
    return rule


def _field(index: int, rule: Any, path: Path) -> Rule:
    given = dict(_rule(str(index), rule, path))
    given.pop("expected", None)
    known = Field.__struct_fields__
    if odd := sorted(set(given) - set(known)):
        raise ConfigError(
            f"Expected {', '.join(known)}, got '{odd[0]}' - at field {index} of {path}."
        )
    try:
        field = msgspec.convert(given, Field)
    except msgspec.ValidationError as error:
        raise ConfigError(f"Expected a rule, got {error} - at field {index} of {path}.") from error
    low, high = field.minimum, field.maximum
    if low is not None and high is not None and low > high:
        raise ConfigError(
            f"Expected a minimum below the maximum, got {low:g} and {high:g} - at field "
            f"'{field.name}' of {path}."
        )
    return Rule(field, frozenset(given) - {"name"})
