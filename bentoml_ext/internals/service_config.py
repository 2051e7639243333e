"""Service config: what `bentoml.service` takes. BentoML ignores a key that it does not know."""

from __future__ import annotations

import inspect
from collections.abc import Collection, Mapping
from typing import Any, get_type_hints

import bentoml
from _bentoml_sdk.service.config import ServiceConfig  # type: ignore[import-untyped]

from bentoml_ext.errors import ConfigError

__all__ = ["check_config"]


def check_config(config: Mapping[str, Any]) -> None:
    """Refuse a key that BentoML would ignore, at any depth.

    Args:
        config: the arguments of a service by name.

    Raises:
        ConfigError: names the key, its place and the keys that there are.
    """
    parameters = inspect.signature(bentoml.service).parameters.values()
    named = {one.name for one in parameters if one.kind is one.KEYWORD_ONLY} - {"service_class"}
    others = {name: value for name, value in config.items() if name not in named}
    _check(others, ServiceConfig, "the service", named)


def _check(config: Mapping[str, Any], schema: Any, place: str, more: Collection[str] = ()) -> None:
    known = get_type_hints(schema)
    for key, value in config.items():
        if key not in known:
            raise ConfigError(
                f"Expected one of {', '.join(sorted({*known, *more}))}, got '{key}' - at {place}. "
                "BentoML would ignore it."
            )
        # Every TypedDict says whether all of its keys must be there.
        if hasattr(known[key], "__total__") and isinstance(value, Mapping):
            _check(value, known[key], f"{key} of {place}")
