"""Local engine: a stored model scores what a request means, on this machine."""

from __future__ import annotations

from pathlib import Path

import bentoml

from bentoml_ext.offline.file_job import Job, Progress, score
from bentoml_ext.offline.plan import ScoreRequest, plan
from bentoml_ext.offline.summary import Summary
from bentoml_ext.scoring.opening import open_tested
from bentoml_ext.settings import crossover_for
from bentoml_ext.signals import ended_by_signal
from bentoml_ext.store.bundle import Bundle

__all__ = ["run"]


def run(
    request: ScoreRequest,
    stored: bentoml.Model,
    backend: str,
    workers: int = 1,
    on_progress: Progress | None = None,
) -> Summary:
    """Score what a request means, one file after the other.

    A process that SIGINT, SIGTERM or SIGHUP ends leaves no half-written file. A process that is
    killed leaves at most a hidden one of a temporary name.

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
