"""Classifier: the BentoML API methods that specify what the service answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, ClassVar

import bentoml
import msgspec
from starlette.responses import Response

from bentoml_ext.encoders.field import Application, Field
from bentoml_ext.errors import ConfigError, InvalidApplication
from bentoml_ext.serving.answering import Answering
from bentoml_ext.serving.bento.image import EmbeddedModel
from bentoml_ext.serving.final import check_assigned, check_class, check_free, own_names
from bentoml_ext.serving.headers import JSON
from bentoml_ext.serving.processes.supervisor import FOR_GOOD, end_server, ending_where_scarce
from bentoml_ext.serving.routes import MAX_BATCH
from bentoml_ext.serving.slot import Models, Slot, slots_of
from bentoml_ext.settings import Settings

# `bentoml serve` imports a service to learn its shape; what scores is imported by the workers.
if TYPE_CHECKING:
    from bentoml_ext.proof.record import Proof
    from bentoml_ext.scoring.scorer import Scorer
    from bentoml_ext.scoring.self_test import SelfTest
    from bentoml_ext.serving.served_model import ServedModel
    from bentoml_ext.store.bundle import Bundle
    from bentoml_ext.store.provenance import Provenance

__all__ = ["MAX_BATCH", "Classifier"]


class Classifier:
    """Base of a service class: `POST /predict`, `POST /predict_batch`, `GET /model`.

    `POST /classify` and `/classify_batch` give the same answers where the model's policy decides
    on a text, as bands and classes do.

    A subclass names its model, and is made a service by `bentoml_ext.service`:

        @bentoml_ext.service(name="credit_risk_classifier")
        class CreditRiskClassifier(Classifier, model="credit_risk_model:latest"):
            '''Credit risk of an application.'''

    Of several, `models=["risk:latest", "price:latest"]`, each has these routes under its name, as
    `POST /risk/predict`, and its methods are `risk_predict` and so on. `GET /models` lists them.

    Args:
        model: tag of a model that `bentoml_ext.save_model` or `bentoml ext import` stored; its
            fields, their rules and its policy are those of the service. By default its parent's.
        models: tags of several, each called by its model's name, or by its key in a mapping.
        fields: rules that the stored model must have; where it has others, no worker starts.
        example: an application for the OpenAPI page; by default one that keeps the rules. Of
            several models, `fields` and `example` are mappings by name.

    A subclass may add methods under `@bentoml.api`, and replace `__init__`, `describe`, `refuse`.

    Raises:
        ConfigError: it takes a name that is not its own; see `bentoml_ext.serving.final`.
    """

    model: ClassVar[EmbeddedModel]
    slots: ClassVar[dict[str, Slot]]
    apis: ClassVar[dict[str, Any]]
    made_with: ClassVar[dict[str, Any]]
    settings: ClassVar[Settings] = Settings()

    def __init_subclass__(
        cls,
        *,
        model: bentoml.Tag | str | None = None,
        models: Models | None = None,
        fields: Sequence[Field] | Mapping[str, Sequence[Field]] | None = None,
        example: Application | Mapping[str, Application] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init_subclass__(**kwargs)
        check_class(cls, Classifier)
        slots = cls._slots(model, models, fields, example)
        if not slots:
            # A base of classes that name their models.
            cls.made_with = {}
            return
        cls.slots = slots
        if "" in slots:
            cls.model = slots[""].model
        cls.apis = {api.name: api for slot in slots.values() for api in slot.apis.values()}
        check_free(cls, Classifier, cls.apis)
        for name, api in cls.apis.items():
            setattr(cls, name, api)
        cls.made_with = own_names(cls)

    @classmethod
    def _slots(
        cls, model: bentoml.Tag | str | None, models: Models | None, fields: Any, example: Any
    ) -> dict[str, Slot]:
        if model is not None and models is not None:
            raise ConfigError(
                f"Expected model= or models=, got both - at {cls.__qualname__}. Leave one out."
            )
        if models is not None:
            return slots_of(models, fields, example)
        if model is not None:
            return {"": Slot(model, "", fields, example)}
        if "" in (before := getattr(cls, "slots", {})):
            return {"": before[""].inherited(fields, example)}
        given = fields or {}, example or {}
        return {
            name: slot.inherited(*(one.get(name) for one in given)) for name, slot in before.items()
        }

    predict: ClassVar[Any]
    predict_batch: ClassVar[Any]
    classify: ClassVar[Any]
    classify_batch: ClassVar[Any]
    check_start: ClassVar[Any]

    fastpath = False
    """Whether the fast path answers simple requests; set when it begins."""

    served: dict[str, ServedModel]
    """What answers, by the name of its slot; a request takes hold of it once."""

    stored: Answering[bentoml.Model] = Answering()
    bundle: Answering[Bundle] = Answering()
    scorer: Answering[Scorer] = Answering()
    headers: Answering[dict[str, str]] = Answering()
    proof: Answering[Proof] = Answering()
    proof_sha256: Answering[str] = Answering()
    provenance: Answering[Provenance] = Answering()
    self_test: Answering[SelfTest] = Answering()

    def __init__(self) -> None:
        try:
            with ending_where_scarce():
                self._make_ready()
        except FOR_GOOD as error:
            end_server(error)
            raise

    def __setattr__(self, name: str, value: Any) -> None:
        check_assigned(self, name)
        super().__setattr__(name, value)

    def _make_ready(self) -> None:
        # BentoML makes a call of a served instance's `self.classify` a request to itself, which
        # would wait for the one thread beside the event loop. These are called as they are.
        own = {name: api.__get__(self, type(self)) for name, api in self.apis.items()}
        # BentoML answers /readyz when this returns: by then the stored rows have been scored.
        own["served"] = {name: slot.open(self.settings) for name, slot in self.slots.items()}
        # Past `__setattr__`, which refuses these names to a user.
        vars(self).update(own)

    def describe(self) -> Any:
        """The answer of GET /model; of several models that of GET /models, a list."""
        if "" in self.served:
            return self.describe_slot("")
        return [{"name": name, **self.describe_slot(name)} for name in self.served]

    def describe_slot(self, name: str) -> dict[str, Any]:
        """The answer of GET /NAME/model."""
        asked = str(self.slots[name].model.tag)
        return self.served[name].describe(asked=asked, fastpath=self.fastpath)

    def refuse(self, error: InvalidApplication) -> Response:
        """A 400 that names field, expected and got; the headers of the model come later."""
        body = msgspec.json.encode(error.detail)
        return Response(body, HTTPStatus.BAD_REQUEST, media_type=JSON)
