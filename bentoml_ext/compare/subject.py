"""Subject: a stored model, opened on its backends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import bentoml

from bentoml_ext.backends.registry import AUTO, form_names, get_backend, require
from bentoml_ext.decisions.bands import BandDecider
from bentoml_ext.errors import BackendMissing, ConfigError
from bentoml_ext.proving.row_sampler import Sampler
from bentoml_ext.scoring.opening import open_scorer
from bentoml_ext.scoring.scorer import Scorer
from bentoml_ext.store.bundle import BOOSTER, Bundle
from bentoml_ext.store.models import load_bundle
from bentoml_ext.store.targets import stored_model

__all__ = ["Subject"]


@dataclass(frozen=True)
class Subject:
    """A stored model.

    Args:
        tag: of the version.
        bundle: opened, its checksums verified.
    """

    tag: bentoml.Tag
    bundle: Bundle

    @classmethod
    def of(cls, word: str) -> Subject:
        """The model that a word of the command line means.

        Raises:
            NotFound, BundleError: as `stored_model` and `load_bundle`.
        """
        stored = stored_model(word)
        return cls(stored.tag, load_bundle(stored))

    @property
    def decider(self) -> BandDecider:
        """What makes its answers.

        Raises:
            ConfigError: a model without bands: a regression, or several classes.
        """
        if not isinstance(decider := self.bundle.decider, BandDecider):
            raise ConfigError(
                f"Expected a model that decides by bands over a probability, got "
                f"'{self.bundle.manifest.objective}' - at {self.tag}."
            )
        return decider

    @cached_property
    def sampler(self) -> Sampler:
        """Makes rows on every split of its trees.

        Raises:
            ImportError: xgboost, which reads them, is not installed.
        """
        from bentoml_ext.boosters.xgb.family import XGBOOST
        from bentoml_ext.boosters.xgb.files import read_booster

        return Sampler(XGBOOST.read(read_booster(self.bundle.path / BOOSTER)))

    def scorers(self, names: Sequence[str] = ()) -> dict[str, Scorer]:
        """Its scorers by the name of their backend, that of the booster itself first.

        Args:
            names: of backends; by default all that are installed and have a form here.

        Raises:
            UnknownBackend, BackendMissing, BundleError: a name that cannot be opened.
            ConfigError: fewer than two backends, or `auto`, which is a composite of the others.
        """
        names = list(dict.fromkeys(names or self._installed()))
        if AUTO in names or len(names) < 2:
            got = AUTO if AUTO in names else ", ".join(names) or "none"
            raise ConfigError(
                f"Expected two backends or more of {', '.join(form_names())}, got {got} - at "
                "--backends. Install their libraries, or compare with another version by --with."
            )
        require(*names)
        names.sort(key=lambda name: get_backend(name).filename != BOOSTER)
        return {name: open_scorer(self.bundle, name) for name in names}

    def _installed(self) -> list[str]:
        found = []
        for name in form_names():
            try:
                if get_backend(name).filename in self.bundle.manifest.files:
                    found.append(name)
            except BackendMissing:
                continue
        return found
