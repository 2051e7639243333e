"""Family: XGBoost as a family of models."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import xgboost as xgb

from bentoml_ext.boosters.base import Family
from bentoml_ext.boosters.ensemble import Ensemble
from bentoml_ext.boosters.xgb.confirm import read
from bentoml_ext.boosters.xgb.oracle import Oracle, on_one_thread

__all__ = ["XGBOOST", "XGBoostFamily"]


class XGBoostFamily:
    """Boosters of `xgboost.train` and of estimators."""

    name = "XGBoost"

    def read(self, model: xgb.Booster) -> Ensemble:
        """See `Family.read`."""
        return read(model)[1]

    @contextmanager
    def oracle(self, model: xgb.Booster, ensemble: Ensemble) -> Iterator[Oracle]:
        """See `Family.oracle`; the booster runs on one thread meanwhile."""
        with on_one_thread(model):
            yield Oracle(model, ensemble)


XGBOOST: Final[Family] = XGBoostFamily()
