"""Serve a gradient-boosted model as native XGBoost or ONNX: the same bits, swapped by one word."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from bentoml_ext.internals import telemetry

if TYPE_CHECKING:
    __version__: str

    from bentoml_ext.decisions.policy import Band as Band
    from bentoml_ext.decisions.policy import Bands as Bands
    from bentoml_ext.decisions.policy import Classes as Classes
    from bentoml_ext.decisions.policy import Value as Value
    from bentoml_ext.decisions.policy import ValueBands as ValueBands
    from bentoml_ext.decisions.shorthand import Policy as Policy
    from bentoml_ext.encoders.encoder import Encoder as Encoder
    from bentoml_ext.encoders.encoder import Field as Field
    from bentoml_ext.framework import get as get
    from bentoml_ext.framework import get_runnable as get_runnable
    from bentoml_ext.framework import get_service as get_service
    from bentoml_ext.framework import load_bundle as load_bundle
    from bentoml_ext.framework import load_model as load_model
    from bentoml_ext.framework import save_model as save_model
    from bentoml_ext.scoring.scorer import Scorer as Scorer
    from bentoml_ext.serving.classifier import Classifier as Classifier
    from bentoml_ext.serving.service import service as service

# Before any library is loaded that would report usage: each looks at its variable once, then.
telemetry.switch_off()

# On first use, because the `bentoml` command imports this package on every call.
_HOME = {
    "Band": "decisions.policy",
    "Bands": "decisions.policy",
    "Classes": "decisions.policy",
    "Classifier": "serving.classifier",
    "Encoder": "encoders.encoder",
    "Field": "encoders.field",
    "Policy": "decisions.shorthand",
    "Scorer": "scoring.scorer",
    "Value": "decisions.policy",
    "ValueBands": "decisions.policy",
    "get": "framework",
    "get_runnable": "framework",
    "get_service": "framework",
    "load_bundle": "framework",
    "load_model": "framework",
    "save_model": "framework",
    "service": "serving.service",
}

__all__ = sorted(_HOME)  # noqa: PLE0605


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return _version()
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)


def _version() -> str:
    """The version that is installed, as bundles and bentos name it."""
    from bentoml_ext.distributions import installed

    if (found := installed(__name__)) is None:
        raise AttributeError(
            "Expected bentoml-ext to be installed, got its source alone - at `__version__`. "
            "pip install it: its version comes from git's tags."
        )
    return found.version
