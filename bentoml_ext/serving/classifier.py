"""Classifier: the BentoML API methods that specify what the service answers."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import bentoml
import msgspec
from starlette.responses import Response

from bentoml_ext.encoders.field import Application, Field
from bentoml_ext.errors import InvalidApplication, NoDecision
from bentoml_ext.serving.apis import apis_of
from bentoml_ext.serving.bento.image import EmbeddedModel
from bentoml_ext.serving.contract import Contract, check_rules
from bentoml_ext.serving.final import check_assigned, check_class, own_names
from bentoml_ext.serving.processes.supervisor import FOR_GOOD, end_server, ending_where_scarce
from bentoml_ext.serving.routes import BATCH, DECIDING, MAX_BATCH, NAMES, SINGLE
from bentoml_ext.settings import Settings

# `bentoml serve` imports a service to learn its shape; what scores is imported by the workers.
if TYPE_CHECKING:
    from bentoml_ext.serving.fastpath.endpoint import Handler

# BentoML gives this name's parents a handler; ours alone would be silent.
_logger = logging.getLogger("bentoml.classifier")

__all__ = ["MAX_BATCH", "Classifier"]

JSON = "application/json"


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

    def __init__(self) -> None:
        try:
            with ending_where_scarce():
                self._make_ready()
        except FOR_GOOD as error:
            end_server(error)
            raise

    def __setattr__(self, name: str, value: Any) -> None:
        # Set last by `_make_ready`: from then on nothing of ours changes.
        if "self_test" in vars(self):
            check_assigned(self, name)
        super().__setattr__(name, value)

    def _make_ready(self) -> None:
        from bentoml_ext.scoring.opening import open_scorer
        from bentoml_ext.scoring.self_test import load_proof, self_test
        from bentoml_ext.store.bundle import Bundle
        from bentoml_ext.store.provenance import Provenance

        check_assigned(self, *vars(self))
        # One resolution: `latest` may move while the service starts.
        self.stored: bentoml.Model = self.model
        self.bundle = Bundle(Path(self.stored.path))
        if self.fields is not None:
            check_rules(self.fields, self.bundle.encoder.fields)
        self.contract.serve(self.bundle)
        self.scorer = open_scorer(self.bundle, self.settings.backend, self.settings.crossover)
        backend = self.scorer.backend
        self.headers = {"X-Model-Tag": str(self.stored.tag)}
        if backend.members == (backend,):
            # The same on every answer; under a composite each answer names its own.
            self.headers["X-Backend"] = backend.name
        self.proof, self.proof_sha256 = load_proof(self.bundle)
        self.provenance = Provenance.of(self.bundle.manifest, self.proof)
        if self.provenance.older and any(one.name == "xgboost" for one in backend.members):
            _logger.warning("Model %s was %s.", self.stored.tag, self.provenance)
        # BentoML makes a call of a served instance's `self.classify` a request to itself, which
        # would wait for the one thread beside the event loop. These are called as they are.
        vars(self).update({name: api.__get__(self, type(self)) for name, api in self.apis.items()})
        # BentoML answers /readyz when this returns: by then the stored rows have been scored.
        self.self_test = self_test(self.bundle, self.scorer.backend)
        _logger.info("Model %s on backend %s.", self.stored.tag, self.scorer.backend)

    def handlers(self) -> dict[str, Handler]:
        """The fast path's handlers of simple requests, by the name of the API."""
        from bentoml_ext.serving.fastpath.handlers import BatchHandler, SingleHandler

        # One of each for all names: they take turns on the event loop, and share their memory.
        single, batch = SingleHandler(self.scorer), BatchHandler(self.scorer, MAX_BATCH)
        of_name = dict.fromkeys(SINGLE, single) | dict.fromkeys(BATCH, batch)
        return {name: of_name[name] for name in NAMES if self.decides or name not in DECIDING}

    @property
    def decides(self) -> bool:
        """Whether an answer has a decision, which is a text."""
        return self.scorer.decider.schema.text is not None

    def check_route(self, name: str) -> None:
        """Refuse the name of a decision where the model has none.

        Raises:
            NoDecision: HTTP 404; names what answers.
        """
        if name in DECIDING and not self.decides:
            other = name.replace("classify", "predict")
            raise NoDecision(
                f"Expected a model that decides, got one whose answer is a number - at /{name}. "
                f"Ask /{other}."
            )

    def describe(self) -> dict[str, Any]:
        """The answer of GET /model."""
        manifest = self.bundle.manifest
        return {
            "tag": str(self.stored.tag),
            "asked": str(type(self).model.tag),
            "backend": self.scorer.backend.name,
            **self.scorer.backend.describe(),
            "fastpath": self.fastpath,
            "objective": manifest.objective,
            "trees": manifest.n_trees,
            "origin": msgspec.to_builtins(manifest.origin),
            "features": manifest.features,
            "fields": [
                msgspec.to_builtins(field) | {"expected": field.expected}
                for field in self.scorer.encoder.fields
            ],
            "policy": msgspec.to_builtins(self.bundle.policy),
            "proof": msgspec.to_builtins(self.proof.summary(self.proof_sha256)),
            "self_test": msgspec.to_builtins(self.self_test),
            "xgboost": msgspec.to_builtins(self.provenance),
            "versions": manifest.versions,
            "created": self.stored.info.creation_time.isoformat(),
        }

    def headers_by(self, *backends: str) -> dict[str, str]:
        """The headers of an answer that these backends have scored."""
        return {**self.headers, "X-Backend": ", ".join(backends)} if backends else self.headers

    def reply(self, body: bytes, rows: int) -> Response:
        """A 200 that says who scored so many rows."""
        headers = self.headers_by(self.scorer.scored_by(rows))
        return Response(body, HTTPStatus.OK, headers, JSON)

    def refuse(self, error: InvalidApplication) -> Response:
        """A 400 that names field, expected and got."""
        body = msgspec.json.encode(error.detail)
        return Response(body, HTTPStatus.BAD_REQUEST, self.headers, JSON)

    def fail(self, status: int, message: str, headers: Mapping[str, str] | None = None) -> Response:
        """Another answer than a 200 that no application is to blame for."""
        body = msgspec.json.encode({"error": message})
        return Response(body, status, {**self.headers, **(headers or {})}, JSON)
