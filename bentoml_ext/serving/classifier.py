"""Classifier: the BentoML API methods that specify what the service answers."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import bentoml
import msgspec
from starlette.exceptions import HTTPException
from starlette.responses import Response

from bentoml_ext.choices import spelled
from bentoml_ext.encoders.field import Application, Field
from bentoml_ext.encoders.json_array import json_array
from bentoml_ext.encoders.strict_json import json_value
from bentoml_ext.errors import InvalidApplication, TooLarge
from bentoml_ext.serving.bento.image import EmbeddedModel
from bentoml_ext.serving.body import JsonBody, described_by
from bentoml_ext.serving.contract import Contract, check_rules
from bentoml_ext.serving.document.schema import batch_of
from bentoml_ext.serving.final import check_assigned, check_class, own_names
from bentoml_ext.serving.limits import MAX_APPLICATION_BYTES
from bentoml_ext.serving.processes.supervisor import FOR_GOOD, end_server, ending_where_scarce
from bentoml_ext.settings import Settings

# `bentoml serve` imports a service to learn its shape; what scores is imported by the workers.
if TYPE_CHECKING:
    from bentoml_ext.serving.fastpath.endpoint import Handler

# BentoML gives this name's parents a handler; ours alone would be silent.
_logger = logging.getLogger("bentoml.classifier")

__all__ = ["MAX_BATCH", "Classifier"]

MAX_BATCH = 10_000
"""Applications in one request to /classify_batch."""

JSON = "application/json"


class Classifier:
    """Base of a service class: `POST /classify`, `POST /classify_batch`, `GET /model`'s answer.

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
        cls.classify = _classify_api(cls.contract)
        cls.classify_batch = _classify_batch_api(cls.contract)
        cls.apis = {"classify": cls.classify, "classify_batch": cls.classify_batch}
        cls.made_with = own_names(cls)

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

        return {
            "classify": SingleHandler(self.scorer),
            "classify_batch": BatchHandler(self.scorer, MAX_BATCH),
        }

    def describe(self) -> dict[str, Any]:
        """The answer of GET /model."""
        manifest = self.bundle.manifest
        return {
            "tag": str(self.stored.tag),
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


def _classify_api(contract: Contract) -> Any:
    request = described_by("Application", contract.application, MAX_APPLICATION_BYTES)
    answer = described_by("Answer", contract.answer)

    async def classify(self: Classifier, application: Any = None, /, **fields: Any) -> Any:
        """Classify one application: its status under the policy, and the probability."""
        given = fields if application is None else application

        def body() -> tuple[bytes, int]:
            return self.scorer.body(contract.unwrapped(_value(given))), 1

        return _answer(self, given, body)

    return _api(classify, request, answer)


def _classify_batch_api(contract: Contract) -> Any:
    request = described_by("Applications", lambda: batch_of(contract.application(), MAX_BATCH))
    answer = described_by("Answers", lambda: batch_of(contract.answer(), MAX_BATCH))
    read = partial(json_array, most=MAX_BATCH)

    # Not a coroutine: thousands of rows take long, so BentoML runs it beside the event loop.
    def classify_batch(self: Classifier, applications: Any, /) -> Any:
        """Classify up to 10 000 applications, in order; one bad application refuses them all."""

        def body() -> tuple[bytes, int]:
            from bentoml_ext.decisions.base import array_of

            margins = self.scorer.margins_of(_checked_batch(_value(applications, read)))
            return array_of(self.scorer.decider, margins), len(margins)

        return _answer(self, applications, body)

    return _api(classify_batch, request, answer)


def _api(function: Callable[..., Any], request: type[JsonBody], answer: type[JsonBody]) -> Any:
    return bentoml.api(input_spec=request, output_spec=answer)(function)


def _answer(classifier: Classifier, given: Any, body: Callable[[], tuple[bytes, int]]) -> Any:
    """A response to a body; the value itself to a caller in this process, or who pickles."""
    try:
        found, rows = body()
    except InvalidApplication as error:
        if isinstance(given, JsonBody):
            return classifier.refuse(error)
        raise
    except TooLarge as error:
        return classifier.fail(error.error_code, str(error))
    except HTTPException as error:
        return classifier.fail(error.status_code, error.detail, error.headers)
    if isinstance(given, JsonBody) and not given.is_pickled:
        return classifier.reply(found, rows)
    return msgspec.json.decode(found)


def _value(given: Any, read: Callable[[bytes], Any] = json_value) -> Any:
    """The value of a body that came over HTTP; a caller in this process hands it in itself."""
    return given.decode(read) if isinstance(given, JsonBody) else given


def _checked_batch(applications: Any) -> list[Any]:
    if not isinstance(applications, list):
        raise InvalidApplication("an array of applications", spelled(applications))
    if len(applications) > MAX_BATCH:
        raise InvalidApplication(f"at most {MAX_BATCH} applications", str(len(applications)))
    return applications
