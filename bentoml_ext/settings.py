"""Settings: read once at start, from BentoML's arguments and the environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import bentoml

from bentoml_ext.backends import backend_names
from bentoml_ext.errors import ConfigError, UnknownBackend

__all__ = ["Settings"]

DEFAULT_BACKEND = "onnx"


@dataclass(frozen=True)
class Settings:
    """What the operator sets. `--arg name=value` goes before the environment's NAME.

    Args:
        backend: `BACKEND`; the backend that scores. Default onnx.
        fastpath: `FASTPATH`, on or off; answer plain requests in front of BentoML. Default on.
        access_log: `ACCESS_LOG`, on or off; a log line for every request. Default off.
    """

    backend: str = DEFAULT_BACKEND
    fastpath: bool = True
    access_log: bool = False

    def __post_init__(self) -> None:
        if self.backend not in backend_names():
            raise UnknownBackend(
                f"Expected one of {', '.join(backend_names())}, got '{self.backend}' - at BACKEND. "
                "Set BACKEND, or --arg backend=NAME, to one of them."
            )

    @classmethod
    def read(
        cls, arguments: Mapping[str, Any] | None = None, environ: Mapping[str, str] | None = None
    ) -> Settings:
        """The settings of this process.

        Args:
            arguments: BentoML's, by default those that came by `--arg`.
            environ: by default the environment of the process.

        Raises:
            UnknownBackend: lists the known names.
            ConfigError: another value that cannot be used.
        """
        if arguments is None:
            arguments = vars(bentoml.use_arguments())
        environ = os.environ if environ is None else environ

        def value(name: str, default: str) -> str:
            # An empty variable is what `BACKEND= make serve` leaves: not set.
            return str(arguments.get(name.lower()) or environ.get(name) or default)

        return cls(
            backend=value("BACKEND", DEFAULT_BACKEND),
            fastpath=_switch("FASTPATH", value("FASTPATH", "on")),
            access_log=_switch("ACCESS_LOG", value("ACCESS_LOG", "off")),
        )


def _switch(name: str, value: str) -> bool:
    switches = {"on": True, "1": True, "true": True, "off": False, "0": False, "false": False}
    if value.lower() not in switches:
        raise ConfigError(f"Expected on or off, got '{value}' - at {name}.")
    return switches[value.lower()]
