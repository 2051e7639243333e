"""Local engine: a stored model scores what a request means, on this machine."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Never

import bentoml

from bentoml_ext.offline.file_job import Job, Progress, score
from bentoml_ext.offline.plan import ScoreRequest, plan
from bentoml_ext.offline.summary import Summary
from bentoml_ext.scoring.opening import open_tested
from bentoml_ext.settings import crossover_for
from bentoml_ext.store.bundle import Bundle

__all__ = ["ended_by_signal", "run"]


def run(
    request: ScoreRequest,
    stored: bentoml.Model,
    backend: str,
    workers: int = 1,
    on_progress: Progress | None = None,
) -> Summary:
    """Score what a request means, one file after the other.

    A process that SIGTERM ends leaves no half-written file; one that is killed leaves
    at most a hidden one of a temporary name.

    Args:
        request: what is asked for.
        stored: the model.
        backend: name of the backend that scores; it is tested before.
        workers: threads that score at a time.
        on_progress: called after each block with the bytes of the sources that are done, all of
            them or None, and the rows done.

    Raises:
        SelfTestFailed: on this machine the backend gives other bits than were proven.
        UnreadableInput, ConfigError, OSError: as `plan` and `score`; the parts before are in place.
    """
    bundle = Bundle(Path(stored.path))
    scorer, _ = open_tested(bundle, backend, crossover_for(backend))
    model = str(stored.tag)
    todo = plan(request, model)
    summary = Summary(model, scorer.backend.name, todo.output, workers, skipped=todo.skipped)
    sizes = list(map(_bytes, todo.jobs))
    total = None if 0 in sizes else sum(sizes)
    with ended_by_signal():
        for index, job in enumerate(todo.jobs):
            part = _part(on_progress, sum(sizes[:index]), sizes[index], total)
            score(job, scorer, summary, part)
    return summary


def _bytes(job: Job) -> int:
    return job.source.stat().st_size if job.source and job.source.is_file() else 0


def _part(
    on_progress: Progress | None, before: int, size: int, total: int | None
) -> Progress | None:
    """A callback that reports one file's progress as progress of the whole run."""
    if on_progress is None:
        return None

    def report(done: int, steps: int | None, rows: int) -> None:
        share = done / steps if steps else 0.0
        on_progress(before + int(size * share), total, rows)

    return report


@contextmanager
def ended_by_signal() -> Iterator[None]:
    """Turn SIGTERM and SIGHUP into an exit that still removes what is half-written."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(number: int, _: Any) -> Never:
        raise SystemExit(128 + number)

    before = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
