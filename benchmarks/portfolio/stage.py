"""Stage: a model, applications and the truth about them in a folder, for contestants to run on."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.portfolio.applications import write
from benchmarks.portfolio.contestants import Contestant
from benchmarks.portfolio.process import Ran, run
from benchmarks.portfolio.truth import Truth
from benchmarks.stage import ROOT, prepare
from bentoml_ext.encoders.field import Field

__all__ = ["STEPS", "Measured", "Stage"]

STEPS = ("read", "encode", "predict", "write")
TAG = "credit_risk_model:latest"


@dataclass(frozen=True)
class Measured:
    """One run of a contestant.

    Args:
        name: the contestant's.
        rows: applications to score.
        wall_s: seconds from the start of its process to its end.
        peak_mb: most resident memory of it and all below it.
        seconds: "total", from before it reads until it has written, and the `STEPS` that it has
            measured. Empty if it failed.
        fault: what its answers differ in from the booster's, or why it failed, or nothing.
    """

    name: str
    rows: int
    wall_s: float
    peak_mb: float
    seconds: dict[str, float] = field(default_factory=dict)
    fault: str = ""


class Stage:
    """Trains into the store of BENTOML_HOME.

    Args:
        folder: for the outputs, the log and the timings.
        rows: applications for the contestants.
    """

    def __init__(self, folder: Path, rows: int) -> None:
        prepare()
        import bentoml

        import bentoml_ext

        self.rows = rows
        self._folder = folder
        self._fields: tuple[Field, ...] = bentoml_ext.load_bundle(TAG).encoder.fields
        self._model = Path(bentoml.models.get(TAG).path)
        self._truth = Truth.of(self._model, self._source(rows), folder / "rows.npy")

    def measure(self, contestant: Contestant, rows: int) -> Measured:
        """Run a contestant once.

        Args:
            contestant: that nothing is missing for.
            rows: the stage's own number, or another for who reads a file of applications.
        """
        output, timings = self._folder / "decisions.parquet", self._folder / "seconds.json"
        places = {"model": self._model, "tag": TAG, "source": self._source(rows)}
        places |= {"ready": self._truth.ready, "output": output, "seconds": timings}
        cores = set(sorted(os.sched_getaffinity(0))[-contestant.cores :])
        path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
        log, environ = self._folder / "log", {"PYTHONPATH": path, "PYTHONWARNINGS": "ignore"}
        try:
            ran = run(contestant.command(places), cores, ROOT, log, environ)
            return self._judged(contestant, rows, ran, output, timings)
        finally:
            timings.unlink(missing_ok=True)
            shutil.rmtree(output) if output.is_dir() else output.unlink(missing_ok=True)

    def _judged(
        self, contestant: Contestant, rows: int, ran: Ran, output: Path, timings: Path
    ) -> Measured:
        if ran.code or not timings.exists():
            last = (ran.output.strip() or "no word").splitlines()[-1]
            fault = f"failed with {ran.code}: {last}"
            return Measured(contestant.name, rows, ran.wall_s, ran.peak_mb, fault=fault)
        summary = json.loads(timings.read_bytes())
        seconds = {"total": summary["seconds"]}
        seconds |= {step: summary[f"{step}_s"] for step in STEPS if f"{step}_s" in summary}
        fault = self._truth.differences(output, contestant.answers, rows)
        return Measured(contestant.name, rows, ran.wall_s, ran.peak_mb, seconds, fault)

    def _source(self, rows: int) -> Path:
        path = self._folder / f"{rows}.parquet"
        if not path.exists():
            write(path, rows, self._fields)
        return path
