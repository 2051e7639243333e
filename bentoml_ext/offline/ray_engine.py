"""Ray engine: the parts of a portfolio, scored by the workers of a Ray cluster.

The workers read and write the files themselves; only the parts' numbers and counts pass through
Ray. A part of a worker that dies is scored again by another.
"""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import bentoml
import ray
from ray.data import ActorPoolStrategy, DataContext
from ray.exceptions import RayError

from bentoml_ext.errors import ClusterFailed, ConfigError
from bentoml_ext.offline.file_job import Progress
from bentoml_ext.offline.plan import PIPE, ScoreRequest, plan
from bentoml_ext.offline.ray_worker import Outcome, PartScorer, WorkerPayload, packed
from bentoml_ext.offline.staging import Staging
from bentoml_ext.offline.summary import Summary
from bentoml_ext.scoring.opening import open_tested
from bentoml_ext.settings import crossover_for
from bentoml_ext.signals import ended_by_signal
from bentoml_ext.store.bundle import Bundle

__all__ = ["run"]

CONNECT_S: Final = 5.0

QUIET: Final[dict[str, Any]] = {"logging_level": logging.ERROR, "log_to_driver": False}

OWN: Final[dict[str, Any]] = {
    "include_dashboard": False,
    # Next to nothing passes through it.
    "object_store_memory": 100 * 1024 * 1024,
}
"""A Ray of our own."""


def run(
    request: ScoreRequest,
    stored: bentoml.Model,
    backend: str,
    workers: int = 1,
    on_progress: Progress | None = None,
    *,
    address: str | None = None,
) -> Summary:
    """Score what a request means on a Ray cluster; the output is a folder of parts.

    Args:
        request: what is asked for; files, not standard input and output.
        stored: the model. Its files travel to the workers.
        backend: name of the backend that scores; every worker tests it before.
        workers: how many score at a time, one CPU each.
        on_progress: called after each part with the parts done, all of them, and the rows done.
        address: of a running cluster, HOST:PORT or "auto"; None or "local" for one on this machine
            that ends with the run.

    Raises:
        ConfigError: as `plan`; or no cluster answers at the address.
        ClusterFailed: the cluster gave up.
        SelfTestFailed, UnreadableInput, OSError: as `run.run`, on a worker too. Parts that were
            whole are in place.
    """
    if PIPE in (request.source, request.output):
        raise ConfigError(
            "Expected files for --engine ray, got '-'. Workers of a cluster share no pipe."
        )
    bundle, crossover = Bundle(Path(stored.path)), crossover_for(backend)
    # A model or a backend that cannot score is reported here, before a cluster starts.
    (scorer, _), model = open_tested(bundle, backend, crossover), str(stored.tag)
    with _cluster(address, workers), ended_by_signal():
        todo = plan(_absolute(request), model)
        summary = Summary(model, scorer.backend.name, todo.output, workers, skipped=todo.skipped)
        with Staging(todo.jobs) as staging, summary.timed("seconds"):
            work = WorkerPayload(packed(bundle), backend, crossover, model, staging.jobs)
            for number, outcome in _outcomes(work, workers):
                if not isinstance(outcome, Summary):
                    raise outcome
                staging.place(number)
                summary.add(outcome)
                if on_progress is not None:
                    on_progress(summary.parts, len(todo.jobs), summary.rows)
    return summary


def _absolute(request: ScoreRequest) -> ScoreRequest:
    """The request in paths that do not depend on a worker's folder."""
    source = Path(request.source).absolute()
    output = Path(request.output or f"{source}.scored").absolute()
    rejected = Path(request.rejected or f"{output}.rejected").absolute()
    return replace(
        request, source=str(source), output=str(output), rejected=str(rejected), split=True
    )


def _outcomes(work: WorkerPayload, workers: int) -> Iterator[tuple[int, Outcome]]:
    """The number and the outcome of each part, as they come."""
    parts = len(work.jobs)
    if not parts:
        return
    numbers = ray.data.from_items(list(range(parts)), override_num_blocks=parts)
    outcomes = numbers.map_batches(
        PartScorer,
        # By reference: a worker that takes the place of a dead one can fetch it again.
        fn_constructor_args=(partial(ray.get, ray.put(work)),),
        batch_size=None,
        batch_format="numpy",
        compute=ActorPoolStrategy(size=min(workers, parts)),
        num_cpus=1,
    )
    try:
        for batch in outcomes.iter_batches(batch_size=None, batch_format="numpy"):
            yield from zip(batch["item"].tolist(), batch["outcome"], strict=True)
    except RayError as error:
        reason = " ".join(str(error).split()).rstrip(".")
        raise ClusterFailed(
            f"Expected every part to be scored, got: {reason} - at the Ray cluster. "
            "The parts that are in place are whole; score the others by --resume."
        ) from error


@contextmanager
def _cluster(address: str | None, workers: int) -> Iterator[None]:
    """A connection to the cluster at an address, or to one of our own that ends with it."""
    _be_quiet()
    with TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True) as folder:
        try:
            if address in (None, "local"):
                ray.init("local", **QUIET, **OWN, num_cpus=workers, _temp_dir=folder)
            else:
                _check(str(address))
                ray.init(address, **QUIET)
        except (ConnectionError, RuntimeError, ValueError) as error:
            reason = " ".join(str(error).split()).rstrip(".")
            raise ConfigError(
                f"Expected a running Ray cluster, got: {reason} - at --address {address}."
            ) from error
        try:
            DataContext.get_current().enable_progress_bars = False
            yield
        finally:
            ray.shutdown()


def _be_quiet() -> None:
    # What its processes have to say goes to their own logs; what ends a run is raised.
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    for name in ("ray", "ray.data"):
        logging.getLogger(name).setLevel(logging.ERROR)


def _check(address: str) -> None:
    """Try the address: Ray would go on trying for minutes.

    Raises:
        ConnectionError, ValueError: nobody listens there, or the text is not an address.
    """
    if address == "auto":
        return
    host, _, port = address.rpartition(":")
    if not port.isdecimal():
        raise ValueError("an address that is neither auto nor HOST:PORT")
    try:
        socket.create_connection((host, int(port)), CONNECT_S).close()
    except (OSError, OverflowError) as error:
        raise ConnectionError(str(error)) from error
