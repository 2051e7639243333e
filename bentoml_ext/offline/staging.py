"""Staging: hidden names for what is half-written, beside the outputs that it becomes."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Self

from bentoml_ext.offline.file_job import Job

__all__ = ["Staging"]


class Staging:
    """Jobs with hidden outputs: `place` gives them their names, and the end removes the rest.

    A worker that dies leaves a half-written file, and one that is thought to be dead may write on.
    Neither does so under the name of an output.

    Args:
        jobs: from files to files, whose folders are there.
    """

    def __init__(self, jobs: Sequence[Job]) -> None:
        self._mark = f".scoring-{secrets.token_hex(8)}-"
        self._places = jobs
        self.jobs = [
            replace(job, output=self._hidden(job.output), rejected=self._hidden(job.rejected))
            for job in jobs
        ]

    def place(self, number: int) -> None:
        """Put a job's outputs in place: its rejected ones first, as `local.score` does."""
        hidden, place = self.jobs[number], self._places[number]
        for name, path in ((hidden.rejected, place.rejected), (hidden.output, place.output)):
            if name is None or path is None:
                continue
            if name == hidden.rejected and not name.exists():
                # Nothing was rejected, though something may have been in an earlier run.
                path.unlink(missing_ok=True)
            else:
                name.replace(path)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        paths = (path for job in self.jobs for path in (job.output, job.rejected) if path)
        for folder in {path.parent for path in paths}:
            for left in folder.glob(f"*{self._mark}*"):
                left.unlink(missing_ok=True)

    def _hidden(self, path: Path | None) -> Path | None:
        return None if path is None else path.with_name(f"{self._mark}{path.name}")
