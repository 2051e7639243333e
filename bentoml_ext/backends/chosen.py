"""Chosen: which backend each model of a process is scored by, as BACKEND writes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from bentoml_ext.backends.registry import backend_names
from bentoml_ext.errors import ConfigError, UnknownBackend

__all__ = ["ChosenBackends"]


@dataclass(frozen=True)
class ChosenBackends:
    """One backend for all models, and others for some.

    Args:
        others: of every model that `named` does not name.
        named: by the name of the model.
    """

    others: str
    named: Mapping[str, str]

    @classmethod
    def parse(cls, text: str, default: str) -> Self:
        """As `onnx`, `risk=onnx,price=xgboost`, or `onnx,price=xgboost`.

        Raises:
            UnknownBackend: lists the known names.
            ConfigError: a model is named twice.
        """
        given: dict[str, str] = {}
        for part in text.split(","):
            model, _, backend = part.rpartition("=")
            # Two backends for every model are not a backend.
            unknown = text if model == "" and model in given else backend
            if unknown not in backend_names():
                raise UnknownBackend(
                    f"Expected one of {', '.join(backend_names())}, got '{unknown}' - at BACKEND. "
                    "Set BACKEND, or --arg backend=NAME, to one of them; NAME=BACKEND is for one "
                    "of several models."
                )
            if model in given:
                raise ConfigError(
                    f"Expected one backend for {model}, got two - at BACKEND={text}. Leave one out."
                )
            given[model] = backend
        return cls(given.pop("", default), given)

    def of(self, model: str) -> str:
        """The backend of a model of this name."""
        return self.named.get(model, self.others)

    def check(self, models: list[str]) -> None:
        """Refuse the name of a model that nothing serves.

        Raises:
            ConfigError: names the models that there are.
        """
        if strange := [name for name in self.named if name not in models]:
            raise ConfigError(
                f"Expected one of {', '.join(models)}, got '{strange[0]}' - at BACKEND. "
                "Name a model of this service, as in BACKEND=onnx,NAME=xgboost."
            )
