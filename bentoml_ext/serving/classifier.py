"""Classifier: the BentoML API methods that specify what the service answers."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import bentoml
import msgspec
from starlette.responses import Response

from bentoml_ext.encoders.field import Application, Field
from bentoml_ext.errors import InvalidApplication
from bentoml_ext.serving.answering import Answering
from bentoml_ext.serving.apis import apis_of
from bentoml_ext.serving.bento.image import EmbeddedModel
from bentoml_ext.serving.contract import Contract, check_rules
from bentoml_ext.serving.final import check_assigned, check_class, own_names
from bentoml_ext.serving.headers import JSON
from bentoml_ext.serving.processes.supervisor import FOR_GOOD, end_server, ending_where_scarce
from bentoml_ext.serving.routes import MAX_BATCH
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
    """Base of a service class: `POST /predict`, `POST /predict_batch`, `GET /model`'s answer.

    `POST /classify` and `/classify_batch` give the same answers where the model's policy decides
    on a text, as bands and classes do.

    A subclass names its model, and is made a service by `bentoml_ext.service`:

        @bentoml_ext.service(name="credit_risk_classifier")
        class CreditRiskClassifier(Classifier, model="credit_risk_model:latest"):
            '''Credit risk of an application.'''

    Args:
        model: tag of a model that `bentoml_ext.save_model` or `bentoml ext import` stored; its
            fields, their rules and its policy are those of the service. By default its parent's.
        fields: rules that the stored model must have; where it has others, no worker starts.
        example: an application for the OpenAPI page; by default one that keeps the rules.

    A subclass may add methods under `@bentoml.api`, and replace `__init__`, `describe`, `refuse`.

    Raises:
        ConfigError: it takes a name that is not its own; see `bentoml_ext.serving.final`.
    """

    model: ClassVar[EmbeddedModel]
    contract: ClassVar[Contract]
    apis: ClassVar[dict[str, Any]]
    made_with: ClassVar[dict[str, Any]]
    fields: ClassVar[tuple[Field, ...] | None] = None
    example: ClassVar[Application | None] = None
    settings: ClassVar[Settings] = Settings()

    def __init_subclass__(
        cls,
        *,
        model: bentoml.Tag | str | None = None,
        fields: Sequence[Field] | None = None,
        example: Application | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init_subclass__(**kwargs)
        check_class(cls, Classifier)
        if model is not None:
            cls.model, cls.fields, cls.example = EmbeddedModel(model), None, None
        elif hasattr(cls, "model"):
            cls.model = EmbeddedModel(cls.model.own)
        else:
            # A base of classes that name their models.
            cls.made_with = {}
            return
        if fields is not None:
            cls.fields = tuple(fields)
        cls.example = example or cls.example
        cls.contract = Contract(cls.model, cls.example)
        cls.apis = apis_of(cls.contract)
        for name, api in cls.apis.items():
            setattr(cls, name, api)
        cls.made_with = own_names(cls)

    predict: ClassVar[Any]
    predict_batch: ClassVar[Any]
    classify: ClassVar[Any]
    classify_batch: ClassVar[Any]
    check_start: ClassVar[Any]

    fastpath = False
    """Whether the fast path answers simple requests; set when it begins."""

    served: ServedModel
    """What answers; a request takes hold of it once."""

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
        from bentoml_ext.serving.served_model import ServedModel
        from bentoml_ext.store.bundle import Bundle

        # One resolution: `latest` may move while the service starts.
        stored: bentoml.Model = self.model
        bundle = Bundle(Path(stored.path))
        if self.fields is not None:
            check_rules(self.fields, bundle.encoder.fields)
        self.contract.serve(bundle)
        # BentoML makes a call of a served instance's `self.classify` a request to itself, which
        # would wait for the one thread beside the event loop. These are called as they are.
        own = {name: api.__get__(self, type(self)) for name, api in self.apis.items()}
        # BentoML answers /readyz when this returns: by then the stored rows have been scored.
        own["served"] = ServedModel.open(stored, bundle, self.settings)
        # Past `__setattr__`, which refuses these names to a user.
        vars(self).update(own)

    def describe(self) -> dict[str, Any]:
        """The answer of GET /model."""
        return self.served.describe(asked=str(type(self).model.tag), fastpath=self.fastpath)

    def refuse(self, error: InvalidApplication) -> Response:
        """A 400 that names field, expected and got."""
        body = msgspec.json.encode(error.detail)
        return Response(body, HTTPStatus.BAD_REQUEST, self.headers, JSON)
