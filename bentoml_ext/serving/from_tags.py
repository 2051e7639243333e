"""From tags: a service that is made of stored models alone, without a class of the user's."""

from __future__ import annotations

from typing import Any

import bentoml

from bentoml_ext.serving.classifier import Classifier
from bentoml_ext.serving.service import service
from bentoml_ext.serving.slot import Models
from bentoml_ext.store.tags import asked_of

__all__ = ["service_for"]


def service_for(model: bentoml.Tag | str | Models, **config: Any) -> Any:
    """A service for a stored model, or for several."""
    if not isinstance(model, bentoml.Tag | str):

        class ModelsService(Classifier, models=model):
            """Answers applications with several stored models, each under its name."""

        config.setdefault("name", "models")
        return service(**config)(ModelsService)

    class ModelService(Classifier, model=model):
        """Classifies applications with one stored model."""

    config.setdefault("name", asked_of(model).name)
    return service(**config)(ModelService)
