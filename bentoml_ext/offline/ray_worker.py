"""Ray worker: what a worker of a cluster does, one part of a portfolio after the other."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeAlias

import numpy as np
from bentoml.exceptions import BentoMLException

from bentoml_ext.backends.crossover import Crossover
from bentoml_ext.disk_errors import naming
from bentoml_ext.offline.file_job import Job, score
from bentoml_ext.offline.summary import Summary
from bentoml_ext.scoring.opening import open_tested
from bentoml_ext.scoring.scorer import Scorer
from bentoml_ext.store.bundle import MANIFEST, Bundle

__all__ = ["Outcome", "PartScorer", "WorkerPayload", "packed"]

Outcome: TypeAlias = "Summary | BentoMLException | OSError"
"""What a part returns: its summary, or the error for which it was not written."""


def packed(bundle: Bundle) -> dict[str, bytes]:
    """All files of a bundle, by name."""
    names = bundle.manifest.files
    return {MANIFEST: (bundle.path / MANIFEST).read_bytes()} | {n: bundle.file(n) for n in names}


@dataclass(frozen=True)
class WorkerPayload:
    """What every worker must know.

    Args:
        files: of the bundle, by name.
        backend: name of the backend that scores.
        crossover: as `open_backend`.
        model: tag.
        jobs: the parts, on paths that mean the same to every worker.
    """

    files: Mapping[str, bytes]
    backend: str
    crossover: Crossover | None
    model: str
    jobs: Sequence[Job]


class PartScorer:
    """Scores parts by their numbers, with the model opened once in each worker.

    Args:
        fetch: gives the work, in the worker.
    """

    def __init__(self, fetch: Callable[[], WorkerPayload]) -> None:
        self._fetch = fetch

    @cached_property
    def _work(self) -> WorkerPayload:
        return self._fetch()

    @cached_property
    def _scorer(self) -> Scorer:
        """Opened from files under their checksums, and tested on this worker's machine."""
        with TemporaryDirectory() as folder:
            for name, data in self._work.files.items():
                with naming(place := Path(folder) / name):
                    place.write_bytes(data)
            scorer, _ = open_tested(Bundle(Path(folder)), self._work.backend, self._work.crossover)
            return scorer

    def __call__(self, batch: Mapping[str, Any]) -> dict[str, Any]:
        """The outcomes of parts, as a batch of Ray Data: `item` (n,) to `item` and `outcome`."""
        outcomes = np.empty(len(batch["item"]), object)
        outcomes[:] = [self._outcome(self._work.jobs[number]) for number in batch["item"]]
        return {"item": batch["item"], "outcome": outcomes}

    def _outcome(self, job: Job) -> Outcome:
        summary = Summary(self._work.model, self._work.backend)
        try:
            score(job, self._scorer, summary)
        # As a value it reaches the user in its own words; raised, it would be wrapped in Ray's.
        except (BentoMLException, OSError) as error:
            return error
        return summary
