"""Service: BentoML's decorator, with GET /model and a bento that carries its model."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from inspect import cleandoc
from typing import TYPE_CHECKING, Any

import bentoml
from attrs import evolve
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.types import Scope

from bentoml_ext.errors import ConfigError
from bentoml_ext.internals import entries, observation, telemetry
from bentoml_ext.internals.server import Middlewares, Series, replace_middlewares, request_timeout_s
from bentoml_ext.internals.service_config import check_config
from bentoml_ext.serving.bento.image import EmbeddedModel, image_for, packed_labels
from bentoml_ext.serving.classifier import Classifier
from bentoml_ext.serving.document.schema import call_schema
from bentoml_ext.serving.entries import (
    backends_of,
    check_served,
    models_of,
    on_entry,
    on_load_bento,
)
from bentoml_ext.serving.final import check_instance, check_service, check_unchanged
from bentoml_ext.serving.headers import JSON
from bentoml_ext.serving.model_views import model_views
from bentoml_ext.serving.processes.supervisor import (
    check_port,
    end_server,
    ending_where_scarce,
    grant_seconds,
    ready,
    supervise,
)
from bentoml_ext.serving.routes import BATCH, NAMES, SINGLE, path_of
from bentoml_ext.serving.welcome import welcome
from bentoml_ext.settings import Settings, hand_on

if TYPE_CHECKING:
    from bentoml_ext.serving.fastpath.middleware import FastPath
    from bentoml_ext.serving.limits import Limit

__all__ = ["ClassifierService", "service"]

BADGE = "//img.shields.io/"

ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
"""For workers: threads of the libraries would only take cores from other workers."""


class ClassifierService(bentoml.Service[Any]):
    """A BentoML service around a `Classifier`."""

    @property
    def labels(self) -> dict[str, str]:
        """The user's labels and those of the packed model; BentoML reads them to build a bento."""
        return {**self._labels, **packed_labels(self.inner)}

    @labels.setter
    def labels(self, own: dict[str, str]) -> None:
        self._labels = own

    def __call__(self) -> Any:
        """An instance that is ready to answer."""
        try:
            instance = super().__call__()
            check_instance(instance, Classifier)
        except ConfigError as error:
            end_server(error)
            raise
        return instance

    def to_asgi(self, is_main: bool = True) -> Any:
        """BentoML's application with our routes, and the fast path in front of it."""
        from bentoml_ext.serving.endpoints import endpoint_of
        from bentoml_ext.serving.fastpath.middleware import FastPath
        from bentoml_ext.serving.fastpath.protocol import install
        from bentoml_ext.serving.limits import BodyLimit
        from bentoml_ext.serving.processes.drain import Drain
        from bentoml_ext.serving.processes.startup import freeze_startup_objects, prepare
        from bentoml_ext.serving.timeout import PromptTimeout

        prepare()
        app = super().to_asgi(is_main)
        self._add_routes(app)
        drain = Drain(self.inner.settings.drain_seconds)
        app.router.routes.insert(0, drain.route(app.router.routes))
        # The innermost: a refusal is counted, traced, logged and timed.
        limits = partial(self._limit, self._kinds())
        app.user_middleware.append(Middleware(BodyLimit, limits=limits))
        middlewares = replace_middlewares(app, PromptTimeout, endpoint_of(app.router.routes))
        observation.hush_departures()
        if observation.asked().rate is not None:
            from bentoml_ext.serving.fastpath.observing import Decided

            observation.wrap_sampler(Decided)
        fastpath = FastPath(app, request_timeout_s(self.name), self._path("metrics"))
        started = app.router.lifespan_context

        @asynccontextmanager
        async def lifespan(app: Starlette) -> AsyncIterator[Any]:
            async with started(app) as state:
                freeze_startup_objects()
                if self.inner.settings.fastpath and observation.has_plain_answers(self):
                    self._open(fastpath, middlewares)
                drain.follow()
                ready()
                yield state
                fastpath.flush()

        app.router.lifespan_context = lifespan
        install()
        return fastpath

    def _add_routes(self, app: Starlette) -> None:
        from bentoml_ext.serving.document.page import keep_to_itself
        from bentoml_ext.serving.streaming.route import bulk_routes
        from bentoml_ext.serving.ui.routes import ui_routes

        slots = self.inner.slots
        for path, view in model_views(slots):
            app.add_route(self._path(path), view, methods=["GET"])
        keep_to_itself(app, self.name)
        if _has_ui(self.inner):
            app.router.routes += ui_routes(self._path, self.name)
        # Before BentoML's own route of this path, which takes every other media type.
        app.router.routes[:0] = bulk_routes(
            {
                (one.name, kind): self._path(one.path(kind))
                for one in slots.values()
                for kind in BATCH
            }
        )

    @ending_where_scarce()
    def _open(self, fastpath: FastPath, middlewares: Middlewares) -> None:
        """Let the fast path answer; until then it forwards every request."""
        from bentoml_ext.serving.fastpath.endpoint import Endpoint
        from bentoml_ext.serving.fastpath.metrics import BufferedMetrics
        from bentoml_ext.serving.fastpath.observing import Observer
        from bentoml_ext.serving.limits import MAX_APPLICATION_BYTES, MAX_BATCH_BYTES

        classifier = bentoml.get_current_service()
        # Past `__setattr__`, which refuses the name to a user.
        vars(classifier)["fastpath"] = True
        sizes = dict.fromkeys(SINGLE, MAX_APPLICATION_BYTES) | dict.fromkeys(BATCH, MAX_BATCH_BYTES)
        endpoints = {}
        for slot, served in classifier.served.items():
            names = {
                **served.headers,
                "content-type": JSON,
                "server": f"BentoML Service/{self.name}",
            }
            headers = [(name.lower().encode(), value.encode()) for name, value in names.items()]
            for kind, handler in served.handlers().items():
                path = self._path(path_of(slot, kind))
                metrics = middlewares.metrics
                counts = None if metrics is None else BufferedMetrics(Series(metrics, path))
                endpoints[path] = Endpoint(handler, headers, counts, sizes[kind])
        fastpath.open(endpoints, middlewares.concurrency, Observer.of_settings())

    def _kinds(self) -> dict[str, str]:
        """The kind of API method behind each fast path."""
        slots = self.inner.slots.values()
        return {self._path(slot.path(kind)): kind for slot in slots for kind in NAMES}

    def _limit(self, kinds: Mapping[str, str], scope: Scope) -> Limit | None:
        """The limit of a request's body; None if the route itself has limits."""
        from bentoml_ext.serving.limits import MAX_APPLICATION_BYTES, MAX_BATCH_BYTES, Limit
        from bentoml_ext.serving.streaming.route import is_bulk
        from bentoml_ext.serving.ui.routes import COMPARE

        if scope["path"] == self._path(COMPARE):
            return Limit(MAX_APPLICATION_BYTES, "Send one")
        kind = kinds.get(scope["path"], "")
        if kind in SINGLE:
            route = scope["path"].removeprefix(self._path(""))
            return Limit(MAX_APPLICATION_BYTES, f"Send one, or many to /{route}_batch")
        if kind not in BATCH:
            most = self.inner.settings.max_bulk_bytes
            return Limit(most, "The server's limit is MAX_BULK_BYTES")
        if is_bulk(scope):
            return None
        return Limit(MAX_BATCH_BYTES, "Send fewer at once, or send them as application/x-ndjson")

    @property
    def openapi_spec(self) -> Any:
        """BentoML's document, with the model, its policy and proof, and our routes' answers."""
        from bentoml_ext.serving.document.openapi import complete

        spec = super().openapi_spec
        slots = self.inner.slots
        complete(spec, self.name, {name: slot.answering for name, slot in slots.items()})
        # BentoML's default text has five badges, which a browser fetches from five other machines.
        own = cleandoc(self.inner.__doc__ or "") if BADGE in self.doc else self.doc
        models = [slot.contract.introduction() for slot in slots.values()]
        says = "\n\n".join([own, *models] if own else models)
        # Without a bento BentoML writes Python's None.
        version = str(self.bento.tag.version) if self.bento else "dev"
        # BentoML names its own team as the contact of this service.
        return evolve(spec, info=evolve(spec.info, description=says, contact=None, version=version))

    def schema(self) -> dict[str, Any]:
        """BentoML's schema for its clients, which may also give the fields by name."""
        schema: dict[str, Any] = super().schema()
        routes = {route["name"]: route for route in schema["routes"]}
        for slot in self.inner.slots.values():
            for kind, api in slot.apis.items():
                if kind not in slot.answering:
                    del routes[api.name]
                elif kind in SINGLE:
                    route = routes[api.name]
                    route["input"] = call_schema(route["input"], slot.contract.whole)
        return schema | {"routes": list(routes.values())}

    def _path(self, name: str) -> str:
        """BentoML's path for this name."""
        prefix = (self.path_prefix or "").strip("/")
        return f"/{prefix}/{name}" if prefix else f"/{name}"


def service(inner: type[Classifier] | None = None, /, **config: Any) -> Any:
    """Make a `Classifier` a BentoML service; takes what `bentoml.service` takes.

    The access log is off, because it costs a quarter of the speed: set ACCESS_LOG=on, or
    `logging={"access": {"enabled": True}}` here. Metrics are on.

    Raises:
        UnknownBackend, ConfigError: BACKEND or another setting has a value that cannot be used,
            or the class has no model, or answers a fast route otherwise. Or BentoML would ignore
            a key of `config`. This stops the start.
    """
    check_config(config)

    def decorate(inner: type[Classifier]) -> ClassifierService:
        if not (issubclass(inner, Classifier) and hasattr(inner, "slots")):
            raise ConfigError(
                f"Expected a Classifier with a model, got {inner.__qualname__} - at its service. "
                'Write `class X(Classifier, model="NAME:latest")`.'
            )
        check_unchanged(inner, Classifier)
        supervise()
        hand_on()
        settings = inner.settings = Settings.read()
        for slot in inner.slots.values():
            slot.model.choose(settings.model)
            EmbeddedModel.served.append(slot.model)
        # Called once before the workers start, so that an error is reported once.
        prefix = config.get("path_prefix") or ""
        inner.check_start = bentoml.on_deployment(partial(_check_start, inner, prefix))
        config.setdefault("logging", {"access": {"enabled": settings.access_log}})
        config["image"] = image_for(backends_of(inner), inner, config.get("image"))
        entries.follow_entries(on_entry, on_load_bento)
        envs = {"BACKEND": settings.backend, **ONE_THREAD}
        if settings.crossover:
            envs["CROSSOVER"] = str(settings.crossover)
        if settings.model:
            envs["MODEL"] = str(settings.model)
        config.setdefault("envs", [{"name": name, "value": envs[name]} for name in envs])
        # For the image of a bento: a program there may load a library before this package.
        named = {env["name"] if isinstance(env, dict) else env.name for env in config["envs"]}
        quiet = [{"name": name, "value": os.environ[name]} for name in telemetry.OFF]
        config["envs"] = [*config["envs"], *(env for env in quiet if env["name"] not in named)]
        made: ClassifierService = bentoml.service(service_class=ClassifierService, **config)(inner)
        check_service(inner, inner.apis, made.apis)
        config["image"].models = models_of(made)
        return made

    return decorate if inner is None else decorate(inner)


def _check_start(inner: type[Classifier], prefix: str) -> None:
    check_served(inner)
    check_port()
    grant_seconds(inner.settings.drain_seconds)
    slots = list(inner.slots.values())
    shown = next((slot for slot in slots if slot.example is not None), slots[0])
    kind = "classify" if shown.contract.decides_by_file() else "predict"
    models = "model" if "" in inner.slots else "models"
    welcome(shown.example, prefix, shown.path(kind), models, ui=_has_ui(inner))


def _has_ui(inner: type[Classifier]) -> bool:
    """Whether there is a page with a form: it shows a service's only model."""
    return inner.settings.ui and "" in inner.slots
