"""Contestants: which programs score the portfolio, and what each of them needs."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec

__all__ = ["CONTESTANTS", "FLOOR", "OURS", "Contestant"]

FLOOR, OURS = "floor: inplace_predict", "ours, auto"
DECISIONS = ("Status", "probability")
KERNEL = "bentoml_ext_simd"


@dataclass(frozen=True)
class Contestant:
    """A program to run.

    Args:
        name: as the tables call it.
        call: module and arguments, with places for model (the bundle's folder), tag, source
            (applications), ready (float32 rows), output and seconds (JSON of the `Clock`).
        answers: columns that it must answer as the booster does.
        library: that it cannot do without, to be installed by the extra `extra`.
        cores: how many it may use.
    """

    name: str
    call: str
    answers: tuple[str, ...] = DECISIONS
    library: str = "pandas"
    extra: str = "bench"
    cores: int = 1

    def missing(self) -> str:
        """Why it cannot run here, or nothing."""
        if find_spec(self.library) is None:
            if self.library == KERNEL:
                return "no kernel: make simd, then PYTHONPATH=build/simd"
            return f"no {self.library}: pip install 'bentoml-ext[{self.extra}]'"
        if self.library == "pyspark" and not ("JAVA_HOME" in os.environ or shutil.which("java")):
            return "no Java: install a runtime, 17 or newer (Debian: openjdk-17-jre-headless)"
        if len(os.sched_getaffinity(0)) < self.cores:
            return f"needs {self.cores} cores"
        return ""

    def command(self, places: Mapping[str, object]) -> list[str]:
        """The command line.

        Args:
            places: what stands where in `call`.
        """
        words = (word.format_map(places) for word in self.call.split())
        return [sys.executable, "-m", *words]


def _ours(
    name: str, *, backend: str = "auto", library: str = "pyarrow", workers: int = 1, cores: int = 1
) -> Contestant:
    call = "bentoml ext score {tag} {source} --output {output} --keep id --json {seconds}"
    call += f" --backend {backend} --workers {workers}"
    answers = (*DECISIONS, "margin")
    return Contestant(f"ours, {name}", call, answers, library, "bulk", cores)


_FLOOR = "benchmarks.portfolio.floor {} {{model}} {{ready}} {{output}} {{seconds}}"
_USUAL = "benchmarks.portfolio.{} {{model}} {{source}} {{output}} {{seconds}}"

CONTESTANTS = {
    contestant.name: contestant
    for contestant in (
        Contestant(FLOOR, _FLOOR.format("inplace"), ("margin",)),
        Contestant("floor: DMatrix", _FLOOR.format("matrix"), ("margin",)),
        _ours("auto"),
        _ours("xgboost", backend="xgboost"),
        _ours("onnx", backend="onnx"),
        _ours("simd", backend="simd", library=KERNEL),
        Contestant("pandas, xgboost", _USUAL.format("usual xgboost")),
        Contestant("pandas, onnx", _USUAL.format("usual onnx")),
        Contestant("Spark", _USUAL.format("spark_udf"), library="pyspark", extra="spark"),
        Contestant("Ray Data", _USUAL.format("ray_data"), library="ray", extra="ray"),
        _ours("1 worker on 2 cores", cores=2),
        _ours("2 workers on 2 cores", workers=2, cores=2),
    )
}
