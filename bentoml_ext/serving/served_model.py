"""Served model: a stored model that a worker answers with, opened, tested, and named in answers."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Self

import bentoml
import msgspec
from starlette.responses import Response

from bentoml_ext.errors import NoDecision
from bentoml_ext.scoring.opening import open_tested
from bentoml_ext.scoring.self_test import load_proof
from bentoml_ext.serving.headers import JSON
from bentoml_ext.serving.routes import BATCH, DECIDING, MAX_BATCH, NAMES, SINGLE, path_of
from bentoml_ext.serving.wrapped import unwrapped, wrapper
from bentoml_ext.store.provenance import Provenance

# A worker needs them with its first fast or bulk request.
if TYPE_CHECKING:
    from bentoml_ext.backends.crossover import Crossover
    from bentoml_ext.scoring.scorer import Scorer
    from bentoml_ext.scoring.self_test import SelfTest
    from bentoml_ext.serving.fastpath.endpoint import Handler
    from bentoml_ext.serving.streaming.codec import Format
    from bentoml_ext.store.bundle import Bundle

# BentoML gives this name's parents a handler; ours alone would be silent.
_logger = logging.getLogger("bentoml.classifier")

__all__ = ["ServedModel"]


class ServedModel:
    """Bundle, scorer and proof of one stored model, and the answers that they give.

    Nothing of it changes. A request that takes hold of it once gets answer, headers and refusal of
    the same model, whatever the service serves next.

    Args:
        stored: the model in BentoML's store.
        bundle: its bundle.
        scorer: has passed the self-test here.
        self_test: the self-test.
    """

    def __init__(
        self, stored: bentoml.Model, bundle: Bundle, scorer: Scorer, self_test: SelfTest
    ) -> None:
        self.stored = stored
        self.bundle = bundle
        self.scorer = scorer
        self.self_test = self_test
        self.proof, self.proof_sha256 = load_proof(bundle)
        self.provenance = Provenance.of(bundle.manifest, self.proof)
        self.headers = {"X-Model-Tag": str(stored.tag)}
        if scorer.backend.members == (scorer.backend,):
            # The same on every answer; under a composite each answer names its own.
            self.headers["X-Backend"] = scorer.backend.name
        self.decides = scorer.decider.schema.text is not None
        """Whether an answer has a decision, which is a text."""
        self._wrapper = wrapper(scorer.encoder.names)
        self._formats: dict[str, Format] = {}

    @classmethod
    def open(
        cls, stored: bentoml.Model, bundle: Bundle, name: str, crossover: Crossover | None
    ) -> Self:
        """A stored model on a backend, after its self-test.

        Args:
            stored, bundle: as the class has them.
            name, crossover: of the backend, as `open_tested` takes them.

        Raises:
            SelfTestFailed, UnknownBackend, BackendMissing, BackendError, BundleError, ConfigError:
                as `open_tested`.
        """
        made = cls(stored, bundle, *open_tested(bundle, name, crossover))
        backend = made.scorer.backend
        if made.provenance.older and any(one.name == "xgboost" for one in backend.members):
            _logger.warning("Model %s was %s.", stored.tag, made.provenance)
        _logger.info("Model %s on backend %s.", stored.tag, backend)
        return made

    def handlers(self) -> dict[str, Handler]:
        """The fast path's handlers of simple requests, by the name of the API."""
        from bentoml_ext.serving.fastpath.handlers import BatchHandler, SingleHandler

        # One of each for all names: they take turns on the event loop, and share their memory.
        single, batch = SingleHandler(self.scorer), BatchHandler(self.scorer, MAX_BATCH)
        of_name = dict.fromkeys(SINGLE, single) | dict.fromkeys(BATCH, batch)
        return {name: of_name[name] for name in NAMES if self.decides or name not in DECIDING}

    def format(self, media_type: str) -> Format:
        """What reads and writes a stream of this media type.

        Raises:
            HTTPException: as `format_of`.
        """
        from bentoml_ext.serving.streaming.codec import format_of

        if media_type not in self._formats:
            self._formats[media_type] = format_of(media_type, self.scorer)
        return self._formats[media_type]

    def unwrapped(self, application: Any) -> Any:
        """The application, also if an object holds it as its only value."""
        return unwrapped(application, self._wrapper)

    def check_route(self, name: str, slot: str) -> None:
        """Refuse the name of a decision where the model has none.

        Args:
            name: of an API method.
            slot: of the model.

        Raises:
            NoDecision: HTTP 404; names what answers.
        """
        if name in DECIDING and not self.decides:
            other = name.replace("classify", "predict")
            raise NoDecision(
                f"Expected a model that decides, got one whose answer is a number - at "
                f"/{path_of(slot, name)}. Ask /{path_of(slot, other)}."
            )

    def headers_by(self, *backends: str) -> dict[str, str]:
        """The headers of an answer that these backends have scored."""
        return {**self.headers, "X-Backend": ", ".join(backends)} if backends else self.headers

    def sign(self, refusal: Response) -> Response:
        """A refusal that names the model which refuses."""
        named = [(name.lower().encode(), text.encode()) for name, text in self.headers.items()]
        refusal.raw_headers[:0] = [one for one in named if one[0].decode() not in refusal.headers]
        return refusal

    def reply(self, body: bytes, rows: int) -> Response:
        """A 200 that says who scored so many rows."""
        headers = self.headers_by(self.scorer.scored_by(rows))
        return Response(body, HTTPStatus.OK, headers, JSON)

    def fail(self, status: int, message: str, headers: Mapping[str, str] | None = None) -> Response:
        """Another answer than a 200 that no application is to blame for."""
        body = msgspec.json.encode({"error": message})
        return Response(body, status, {**self.headers, **(headers or {})}, JSON)

    def describe(self, *, asked: str, fastpath: bool) -> dict[str, Any]:
        """What GET /model says of it.

        Args:
            asked: tag or name that led to it.
            fastpath: whether the fast path answers simple requests.
        """
        manifest = self.bundle.manifest
        return {
            "tag": str(self.stored.tag),
            "asked": asked,
            "backend": self.scorer.backend.name,
            **self.scorer.backend.describe(),
            "fastpath": fastpath,
            "objective": manifest.objective,
            "trees": manifest.n_trees,
            "origin": msgspec.to_builtins(manifest.origin),
            "assumptions": msgspec.to_builtins(manifest.assumptions),
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
