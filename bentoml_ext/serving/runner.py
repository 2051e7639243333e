"""Runnable: the scorer behind BentoML's legacy Runner."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import bentoml
import numpy as np
import numpy.typing as npt

from bentoml_ext.arrays import Floats
from bentoml_ext.scoring.opening import open_tested
from bentoml_ext.serving.bento.legacy import follow_builds
from bentoml_ext.serving.processes.supervisor import FOR_GOOD, end_server, supervise
from bentoml_ext.settings import Settings, hand_on
from bentoml_ext.store.bundle import Bundle

__all__ = ["runnable_for"]


def runnable_for(model: bentoml.Model) -> type[bentoml.legacy.Runnable]:
    """A Runnable class for a stored model; see `bentoml_ext.get_runnable`."""
    supervise()
    hand_on()
    follow_builds()

    class ScorerRunnable(bentoml.legacy.Runnable):
        SUPPORTED_RESOURCES = ("cpu",)
        SUPPORTS_CPU_MULTI_THREADING = False

        def __init__(self) -> None:
            try:
                self._load()
            except FOR_GOOD as error:
                end_server(error)
                raise

        def _load(self) -> None:
            bundle = Bundle(Path(model.path))
            settings = Settings.read()
            backend = settings.chosen.of(model.tag.name)
            self.scorer, _ = open_tested(bundle, backend, settings.crossover)
            self.objective = bundle.objective

        def predict(self, rows: npt.NDArray[Any]) -> Floats:
            """Predictions of rows, as `Booster.predict` gives them."""
            return _flat(self.objective.served(self.scorer.margins(np.asarray(rows))))

        def margins(self, rows: npt.NDArray[Any]) -> Floats:
            """Margins of rows, float32, (n,) or (n, n_margins)."""
            return _flat(self.scorer.margins(np.asarray(rows)))

    for name, signature in model.info.signatures.items():
        ScorerRunnable.add_method(
            getattr(ScorerRunnable, name),
            name,
            batchable=signature.batchable,
            batch_dim=signature.batch_dim,
        )
    return ScorerRunnable


def _flat(values: Floats) -> Floats:
    """float32, (n,) of one value each, as XGBoost has it."""
    return values[:, 0] if values.shape[1] == 1 else values
