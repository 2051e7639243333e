"""Every touch of a BentoML name that BentoML does not promise to keep.

BentoML's internals change between minor versions: the range in pyproject.toml is what was tested,
and tests/test_internals.py fails when one of these names moves.
"""

from __future__ import annotations

import asyncio
import errno
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import bentoml
import msgspec
from bentoml._internal.configuration.containers import BentoMLContainer
from bentoml._internal.context import server_context
from bentoml._internal.models import ModelContext, ModelStore
from bentoml._internal.models.model import Model
from bentoml._internal.server.http.instruments import RunnerTrafficMetricsMiddleware
from bentoml._internal.server.http.traffic import MaxConcurrencyMiddleware, TimeoutMiddleware
from bentoml.exceptions import BentoMLException
from starlette.applications import Starlette
from starlette.types import Receive, Scope, Send

__all__ = [
    "Middlewares",
    "Series",
    "command_line_arguments",
    "create_model",
    "listens_on",
    "model_store_path",
    "refit",
    "request_timeout_s",
    "use_model_store",
]
AS_IT_CAME: Final = "bentoml_ext.as_it_came"
"""Key of a scope whose path is a label: the request's own scope."""


def command_line_arguments(words: Sequence[str] | None = None) -> dict[str, Any]:
    """What `--arg` and `--arg-file` of a `bentoml` command gave; empty in another process.

    BentoML keeps them with those that a bento or a bentofile brings, and a bento's replace them.

    Args:
        words: the command line, by default of this process.
    """
    words = sys.argv if words is None else words
    program = Path(words[0] if words else "")
    if program.stem != "bentoml" and (program.parent.name, program.stem) != ("bentoml", "__main__"):
        return {}
    given: dict[str, Any] = {}
    for word, after in zip(words, [*words[1:], ""], strict=True):
        option, is_whole, value = word.partition("=")
        value = value if is_whole else after
        if option == "--arg":
            name, _, value = value.partition("=")
            given[name] = value
        elif option == "--arg-file":
            given = (msgspec.yaml.decode(Path(value).read_bytes()) or {}) | given
    return given


def model_store_path() -> Path:
    """The folder of the model store in use."""
    return Path(BentoMLContainer.model_store.get()._path)


def use_model_store(path: Path) -> None:
    """Resolve models in the store at `path` from now on, in this process."""
    BentoMLContainer.model_store.set(ModelStore(path))


@contextmanager
def create_model(
    name: bentoml.Tag | str,
    *,
    framework_versions: dict[str, str],
    **fields: Any,
) -> Iterator[Model]:
    """A new model, stored whole when the block ends well, or not at all.

    BentoML copies a new version into place file by file, so a kill leaves half of one, which then
    breaks every listing of the store. Here a version is written beside the store and renamed in.

    Args:
        name: a name, or a whole tag.
        framework_versions: libraries that the model needs or was made with.
        fields: the others of BentoML's `Model.create`.

    Raises:
        BentoMLException: the version exists, or is called "latest", which is a pointer's name.
    """
    if bentoml.Tag.from_taglike(name).version == "latest":
        raise BentoMLException(
            f"Expected NAME or NAME:VERSION, got {name} - at the new model's tag. "
            "Every new version becomes the latest of its name."
        )
    context = ModelContext(framework_name="bentoml_ext", framework_versions=framework_versions)
    model = Model.create(name, context=context, **fields)
    yield model
    model.flush()
    _store(model)


def _store(model: Model) -> None:
    store = BentoMLContainer.model_store.get()
    target = Path(store._path) / model.tag.path()
    # In the store's own file system, so that the rename is one step; outside of the store, so that
    # a listing never meets it.
    scratch = Path(
        tempfile.mkdtemp(prefix="bentoml_ext-", dir=BentoMLContainer.tmp_bento_store_dir.get())
    )
    try:
        whole = scratch / "model"
        _copy(Path(model._path), whole)
        _sync(whole)
        # All that needs room on the disk comes before the first rename.
        pointer = scratch / "latest"
        pointer.write_text(str(model.tag.version))
        _sync(scratch)
        target.parent.mkdir(parents=True, exist_ok=True)
        _rename_as_new(whole, target, model.tag)
        pointer.rename(Path(store._path) / model.tag.latest_path())
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    model._path = target


def _copy(source: Path, target: Path) -> None:
    """Copy a folder; an error names the file that could not be written."""
    target.mkdir()
    for path in sorted(source.rglob("*")):
        place = target / path.relative_to(source)
        try:
            place.mkdir() if path.is_dir() else shutil.copyfile(path, place)
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(place)) from error


def _rename_as_new(folder: Path, target: Path, tag: bentoml.Tag) -> None:
    try:
        # Fails if another process has stored that version meanwhile.
        folder.rename(target)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise
        raise BentoMLException(
            f"Expected a new version, got {tag}, which exists - at {target}."
        ) from error


def _sync(folder: Path) -> None:
    """Bring a folder's files to the disk: a rename must not arrive before what it names."""
    for path in folder.iterdir():
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())


def listens_on(params: Mapping[str, Any]) -> tuple[str, int]:
    """Host and port of `bentoml serve` with these options."""
    http = BentoMLContainer.http
    return params.get("host") or http.host.get(), int(params.get("port") or http.port.get())


def request_timeout_s(service: str) -> float | None:
    """Seconds until a request to a configured service gets a 504; None for no limit."""
    # As it was written: the 504 tells the number.
    return BentoMLContainer.config.services[service].get()["traffic"]["timeout"] or None


@dataclass
class Middlewares:
    """BentoML's middleware instances of one application, once it has started.

    Args:
        metrics: counts requests; None where metrics are off.
        concurrency: holds `traffic.max_concurrency`; None where that is not set.
    """

    metrics: RunnerTrafficMetricsMiddleware | None = None
    concurrency: asyncio.Semaphore | None = None


def refit(
    app: Starlette, timeout: type[Any], label: Callable[[Scope], str] | None = None
) -> Middlewares:
    """Put `timeout` in the place of BentoML's timeout middleware, and catch the others' instances.

    Args:
        app: BentoML's application, before its first request.
        timeout: middleware class that takes `timeout` seconds.
        label: what the metrics call a request, by default by its path.

    Returns:
        Filled when the application starts.
    """
    caught = Middlewares()

    def metrics(app: Any, **options: Any) -> Any:
        counting = caught.metrics = RunnerTrafficMetricsMiddleware(
            lambda scope, *rest: app(scope.get(AS_IT_CAME, scope), *rest), **options
        )

        async def labelled(scope: Scope, receive: Receive, send: Send) -> None:
            if label is not None and "path" in scope and (name := label(scope)) != scope["path"]:
                scope = {**scope, "path": name, AS_IT_CAME: scope}
            await counting(scope, receive, send)

        return labelled

    def concurrency(app: Any, **options: Any) -> Any:
        made = MaxConcurrencyMiddleware(app, **options)
        caught.concurrency = made._semaphore
        return made

    stand_ins: dict[Any, Any] = {
        TimeoutMiddleware: timeout,
        RunnerTrafficMetricsMiddleware: metrics,
        MaxConcurrencyMiddleware: concurrency,
    }
    for middleware in app.user_middleware:
        middleware.cls = stand_ins.get(middleware.cls, middleware.cls)
    return caught


class Series:
    """BentoML's Prometheus series of one endpoint, the 200s fed by sums.

    Args:
        metrics: BentoML's own middleware, whose series they are.
        endpoint: the path.
    """

    def __init__(self, metrics: RunnerTrafficMetricsMiddleware, endpoint: str) -> None:
        if not metrics._is_setup:
            metrics._setup()
        who = {
            "service_name": server_context.bento_name,
            "service_version": server_context.bento_version,
            "runner_name": server_context.service_name,
        }
        where = {**who, "endpoint": endpoint}
        self._metrics, self._where = metrics, where
        self._total = metrics.metrics_request_total.labels(**where, http_response_code=200)
        self._duration = metrics.metrics_request_duration.labels(**where, http_response_code=200)
        self._in_progress = metrics.metrics_request_in_progress.labels(**where)
        self._last = metrics.metrics_last_request_timestamp.labels(**who)
        self.bounds: list[float] = list(self._duration._upper_bounds)

    def add(self, counts: list[int], seconds: float, last: float) -> None:
        """Count requests that were answered 200.

        Args:
            counts: how many fell under each of `bounds`, the last of which is infinite.
            seconds: sum of their durations.
            last: when the last one came, in seconds since 1970.
        """
        self._total.inc(sum(counts))
        self._duration._sum.inc(seconds)
        for bucket, count in zip(self._duration._buckets, counts, strict=True):
            if count:
                bucket.inc(count)
        self._last.set(last)

    def observe(self, status: int, seconds: float) -> None:
        """Count one request that was answered otherwise."""
        how = {**self._where, "http_response_code": status}
        self._metrics.metrics_request_total.labels(**how).inc()
        self._metrics.metrics_request_duration.labels(**how).observe(seconds)
        self._last.set_to_current_time()

    def in_progress(self) -> AbstractContextManager[object]:
        """A block in which one more request is in progress."""
        return self._in_progress.track_inprogress()
