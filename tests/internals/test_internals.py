"""BentoML's names that it does not promise: each is where we look for it, and of that shape.

When one of these fails after an update of BentoML, look at what it guards and mend that.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import attrs
import bentoml
import pytest
from bentoml._internal.bento.bento import BentoInfo
from bentoml._internal.configuration.containers import BentoMLContainer
from bentoml._internal.context import server_context, trace_context
from bentoml._internal.models import ModelContext, ModelStore
from bentoml._internal.models.model import Model
from bentoml._internal.server.http.instruments import RunnerTrafficMetricsMiddleware
from bentoml._internal.server.http.traffic import MaxConcurrencyMiddleware, TimeoutMiddleware
from bentoml.images import Image
from prometheus_client import CollectorRegistry, Histogram
from starlette.applications import Starlette
from starlette.middleware import Middleware

from bentoml_ext.internals import observation
from bentoml_ext.internals.server import replace_middlewares
from bentoml_ext.internals.store import model_store_path, use_model_store
from bentoml_ext.serving.bento.image import EmbeddedModel, PackedImage


def parameters(function: Callable[..., Any]) -> list[str]:
    return list(inspect.signature(function).parameters)


@pytest.fixture(autouse=True)
def _settings_of_this_test_alone() -> Iterator[None]:
    """A service that is made here leaves its settings in BentoML's container."""
    before = copy.deepcopy(BentoMLContainer.config.get())
    yield
    BentoMLContainer.config.set(before)


def test_the_version_is_one_that_was_tested() -> None:
    assert bentoml.__version__.startswith("1.4."), "see the range in pyproject.toml"


def test_the_store_is_a_folder_of_names_and_versions(tmp_path: Path) -> None:
    store = BentoMLContainer.model_store.get()
    tag = bentoml.Tag("name", "version")

    assert isinstance(store, ModelStore)
    assert Path(store._path).is_dir()
    assert (tag.path(), tag.latest_path()) == (str(Path("name/version")), str(Path("name/latest")))
    assert ModelStore(tmp_path).list() == []


def test_another_store_can_be_set_and_taken_back(tmp_path: Path) -> None:
    before = model_store_path()

    use_model_store(tmp_path)
    during = model_store_path()
    BentoMLContainer.model_store.reset()

    assert (during, model_store_path()) == (tmp_path, before)


def test_the_staging_folder_is_on_the_stores_file_system() -> None:
    # A version is renamed from the one to the other.
    staging = Path(BentoMLContainer.tmp_bento_store_dir.get())

    assert staging.stat().st_dev == model_store_path().stat().st_dev
    assert model_store_path() not in staging.parents


def test_a_model_is_made_in_a_folder_of_its_own_and_flushed() -> None:
    context = ModelContext(framework_name="x", framework_versions={"x": "1"})
    model: Any = Model.create(
        "internals", module="x", api_version="v1", signatures={}, context=context
    )

    model.flush()

    assert (Path(model._path) / "model.yaml").is_file()
    assert model_store_path() not in Path(model._path).parents
    needed = {"module", "api_version", "signatures", "labels", "metadata", "context"}
    assert needed <= set(parameters(Model.create))


@pytest.mark.parametrize(
    "path",
    [
        "config.tracing.exporter_type",
        "http.cors.enabled",
        "http.response.trace_id",
        "api_server_config.logging.access.enabled",
        "api_server_config.logging.access.request_content_length",
        "api_server_config.logging.access.request_content_type",
        "api_server_config.logging.access.response_content_length",
        "api_server_config.logging.access.response_content_type",
    ],
)
def test_a_setting_of_the_server_is_where_it_was(path: str) -> None:
    found: Any = BentoMLContainer
    for name in path.split("."):
        found = getattr(found, name)

    assert found.get() in (None, True, False)


def test_our_reading_of_the_settings_works() -> None:
    assert observation.has_plain_answers(bentoml.service(type("Plain", (), {})))
    assert (
        observation.access_log_options() is None or len(observation.access_log_options() or ()) == 4
    )


def test_an_answer_to_which_a_middleware_may_add_is_not_plain() -> None:
    service = bentoml.service(type("Plain", (), {}))
    service.add_asgi_middleware(Middleware)

    assert not observation.has_plain_answers(service)


def test_a_running_server_knows_its_names() -> None:
    for name in ("bento_name", "bento_version", "service_name"):
        assert hasattr(server_context, name), name


@pytest.mark.parametrize(
    ("middleware", "options"),
    [
        (TimeoutMiddleware, {"timeout"}),
        (MaxConcurrencyMiddleware, {"max_concurrency"}),
        (RunnerTrafficMetricsMiddleware, {"namespace"}),
    ],
)
def test_a_middleware_takes_what_it_took(middleware: type, options: set[str]) -> None:
    assert {"app", *options} <= set(parameters(middleware))


def test_the_concurrency_middleware_has_a_semaphore() -> None:
    made = MaxConcurrencyMiddleware(Starlette(), max_concurrency=3)

    assert made._semaphore._value == 3


def test_an_applications_middlewares_can_be_replaced_before_it_starts() -> None:
    app = Starlette(middleware=[Middleware(TimeoutMiddleware, timeout=3)])

    replace_middlewares(app, dict)

    found: list[Any] = [middleware.cls for middleware in app.user_middleware]
    assert found == [dict]


def test_bentoml_puts_the_middlewares_in_that_are_replaced() -> None:
    inner = type("Limited", (), {})
    made = bentoml.service(traffic={"timeout": 9, "max_concurrency": 2})(inner)

    found = {middleware.cls for middleware in made.to_asgi().user_middleware}

    assert {TimeoutMiddleware, RunnerTrafficMetricsMiddleware, MaxConcurrencyMiddleware} <= found


def test_what_an_api_method_raises_is_logged_by_the_logger_that_is_hushed() -> None:
    from _bentoml_impl.server import app  # type: ignore[import-untyped]
    from bentoml._internal.server import http_app

    assert app.log_exception is http_app.log_exception
    assert http_app.logger.name == observation.LOGS_EXCEPTIONS


def test_the_metrics_middleware_has_its_series() -> None:
    made = RunnerTrafficMetricsMiddleware(Starlette())
    assert not made._is_setup

    made._setup()

    for name in ("request_total", "request_duration", "request_in_progress"):
        assert hasattr(made, f"metrics_{name}"), name
    assert hasattr(made, "metrics_last_request_timestamp")
    who = ("service_name", "service_version", "runner_name")
    assert set(made.metrics_request_in_progress._labelnames) == {"endpoint", *who}
    assert set(made.metrics_last_request_timestamp._labelnames) == set(who)
    for series in (made.metrics_request_total, made.metrics_request_duration):
        assert set(series._labelnames) == {"endpoint", "http_response_code", *who}


def test_a_histogram_is_a_sum_and_buckets() -> None:
    histogram = Histogram("h", "h", buckets=(1, 2), registry=CollectorRegistry())
    histogram.observe(1.5)

    assert list(histogram._upper_bounds) == [1, 2, float("inf")]
    assert [bucket.get() for bucket in histogram._buckets] == [0, 1, 0]
    assert histogram._sum.get() == 1.5


def test_a_service_can_be_subclassed_and_wrapped() -> None:
    service: Any = bentoml.Service
    assert parameters(service.to_asgi) == ["self", "is_main"]
    assert parameters(service.on_load_bento) == ["self", "bento"]
    fields = {field.name for field in attrs.fields(service)}
    assert fields >= {"inner", "envs", "config", "middlewares", "path_prefix", "image"}
    assert "service_class" in parameters(bentoml.service)


def test_a_service_takes_an_environment_and_hands_it_on() -> None:
    made = bentoml.service(envs=[{"name": "BACKEND", "value": "onnx"}])(type("Env", (), {}))

    (env,) = made.envs
    assert (env.name, env.value) == ("BACKEND", "onnx")


def test_a_bento_tells_its_environment() -> None:
    assert "envs" in {field.name for field in attrs.fields(BentoInfo)}
    assert callable(bentoml.Bento.path_of)


def test_a_hook_runs_before_the_workers_by_its_mark() -> None:
    def hook() -> None: ...

    class Holder:
        held = bentoml.on_deployment(hook)

    assert Holder.held.__bentoml_deployment_hook__ is True


def test_a_reference_of_ours_is_no_model_of_the_service() -> None:
    # Else BentoML would note it in the bento, and ask the store for it on export.
    made = bentoml.service(type("Holder", (), {"model": EmbeddedModel("x:latest")}))

    assert made.models == []


def test_an_image_is_frozen_into_the_bento() -> None:
    assert parameters(Image.freeze) == parameters(PackedImage.freeze)
    assert parameters(Image.freeze) == ["self", "bento_fs", "envs", "platform_"]
    image = PackedImage(models=[])
    image.lock_python_packages = False
    assert image.python_packages("numpy==2.0") is image


def test_a_body_describes_and_reads_itself() -> None:
    descriptor = bentoml.IODescriptor

    assert parameters(descriptor.from_http_request) == ["request", "serde"]
    assert "model_json_schema" in dir(descriptor)
    assert "mime_type" in dir(descriptor)


def test_the_headers_of_an_answer_are_bentomls() -> None:
    assert BentoMLContainer.logging_formatting.get().keys() >= {"span_id", "trace_id"}
    assert {"request_id", "trace_id"} <= set(dir(trace_context))
    assert observation.answer_headers().keys() == {"Server"}, "no request is in progress"


def test_the_openapi_page_is_made_of_operations() -> None:
    def ask(self: Any) -> str:
        return ""

    service = bentoml.service(type("Told", (), {"ask": bentoml.api(ask)}))
    operation = service.openapi_spec.paths["/ask"].post

    assert "content" in operation["requestBody"]
    assert "content" in operation["responses"][200]


def test_a_runner_gets_its_methods_from_the_model() -> None:
    runnable = bentoml.legacy.Runnable
    assert {"name", "batchable", "batch_dim"} <= set(parameters(runnable.add_method))
    for name in ("SUPPORTED_RESOURCES", "SUPPORTS_CPU_MULTI_THREADING"):
        assert name in inspect.getsource(runnable)
