"""Shorthand: bands by the name that 0.1 gave them, with the preset for what is left out."""

from __future__ import annotations

from typing import Any

from bentoml_ext.decisions.policy import Bands
from bentoml_ext.decisions.policy_file import read_policy
from bentoml_ext.decisions.presets import APPROVAL, STATUS, of_threshold

__all__ = ["Policy"]


class Policy:
    """The preset with some of its parts replaced, as `bentoml_ext.Policy(key="churn")`.

    Every call gives `Bands`. Code that names all three parts says `Bands` itself.
    """

    of_threshold = staticmethod(of_threshold)
    from_file = staticmethod(read_policy)

    def __new__(  # type: ignore[misc]
        cls, key: Any = STATUS, bands: Any = APPROVAL.bands, otherwise: Any = APPROVAL.otherwise
    ) -> Bands:
        """Bands, each argument as `Bands` has it.

        Raises:
            ConfigError: as `Bands`.
        """
        return Bands(key, bands, otherwise)
