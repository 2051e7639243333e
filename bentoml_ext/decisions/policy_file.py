"""Policy file: a policy that somebody wrote, in the long form or in a short one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from bentoml_ext import files
from bentoml_ext.decisions.checked import KEY
from bentoml_ext.decisions.policy import Band, Policy, policy_of
from bentoml_ext.decisions.presets import STATUS
from bentoml_ext.errors import ConfigError

__all__ = ["read_policy"]

OTHERWISE: Final = "otherwise"
KIND: Final = "kind"


def read_policy(path: Path) -> Policy:
    """Read a policy that somebody wrote.

    Args:
        path: JSON, in the form of policy.json, or bands in a short form in any order, in which
            `key` may be left out: `{"key": "Status", "DECLINED": 0.5, "otherwise": "APPROVED"}`.

    Raises:
        ConfigError: no such file, or no policy. The message names file and fault.
    """
    try:
        text = files.read(path, files.MOST_TEXT_BYTES).decode("utf-8-sig")
        plain = json.loads(text, object_pairs_hook=_once)
        return policy_of(plain if _is_long(plain) else _long(plain))
    except OSError as error:
        raise ConfigError(f"Expected a policy's file, got {error.strerror} - at {path}.") from error
    except (ValueError, RecursionError, ConfigError) as error:
        reason = str(error).rstrip(".")
        raise ConfigError(
            f"Expected a policy in JSON, got {reason} - at {path}. Write it as "
            '{"DECLINED": 0.5, "MAYBE": 0.3, "otherwise": "APPROVED"}.'
        ) from error


def _is_long(plain: Any) -> bool:
    """Whether it names its kind; the bound of an answer called "kind" is a number."""
    return isinstance(plain, dict) and isinstance(plain.get(KIND), str)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object; `json` would keep the last of two."""
    names = [name for name, _ in pairs]
    if twice := {name for name in names if names.count(name) > 1}:
        raise ValueError(f"'{min(twice)}' twice")
    return dict(pairs)


def _long(plain: Any) -> dict[str, Any]:
    """The form of policy.json of either form."""
    if not isinstance(plain, dict):
        raise ValueError(f"{type(plain).__name__}")
    # A default would be an answer that nobody wrote.
    if OTHERWISE not in plain:
        raise ValueError(f"no '{OTHERWISE}'")
    plain = {KEY: STATUS} | plain
    if isinstance(plain.get("bands"), list):
        return dict(plain)
    named = {name: plain.pop(name) for name in (KEY, OTHERWISE) if name in plain}
    bands = [Band(above, answer) for answer, above in plain.items()]
    return {**named, "bands": sorted(bands, key=lambda band: -band.above)}
