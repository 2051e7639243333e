"""docs/compatibility.md: the environments as a table, and below it what did not hold."""

from __future__ import annotations

import platform
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from benchmarks.compat.environments import Environment
from benchmarks.compat.matrix import EXACT
from benchmarks.compat.probe import Found

__all__ = ["Line", "page"]

SHOWN: Final = ("xgboost", "onnxruntime", "numpy", "scikit-learn", "onnx", "pyarrow", "uvicorn")

HEAD: Final = """# Compatibility

Written by `make compat` on {system}; do not edit. What is not in this table was not run.

- *oldest*: every library of ours at the lower bound of pyproject.toml. *newest*: every library at
  the newest version that pyproject.toml allows and that has wheels for that Python. Other lines
  hold one or two libraries to a version, all others are the newest.
- *models exact*: kinds of model whose margin and prediction have XGBoost's own bits, on one thread
  and on two, over those that this XGBoost can train.
- *proof*: a credit model is trained, stored and proven, and `bentoml ext verify` proves it again.
- *served*: `bentoml serve` answers on onnx, xgboost and auto, with the same bytes.
- *portfolio*: `bentoml ext score` finds the probabilities in a Parquet file that the service
  answers.
- BentoML is {bentoml} throughout: the oldest that is allowed and the newest of 1.4 are one.

XGBoost 3.3 and later need Python 3.12, so *newest* on 3.11 has XGBoost 3.2.
The extras `pipelines`, `ray`, `bench` and `spark` were not run at their lower bounds.
"""


@dataclass(frozen=True)
class Line:
    """One environment and what was found in it.

    Args:
        environment: as asked for.
        found: None where it was not run.
        reason: why not.
        failed: whether it should have been run.
    """

    environment: Environment
    found: Found | None = None
    reason: str = ""
    failed: bool = False

    @property
    def holds(self) -> bool:
        """Whether nothing is wrong; a Python that this machine lacks is no fault."""
        return self.found.holds if self.found else not self.failed


def page(lines: Sequence[Line]) -> str:
    """The whole document."""
    bentoml = {line.found.versions["bentoml"] for line in lines if line.found}
    head = HEAD.format(
        system=f"{platform.system()} {platform.machine()}, {' '.join(platform.libc_ver())}",
        bentoml=", ".join(sorted(bentoml)),
    )
    return head + "\n" + "\n".join(_table(lines)) + "\n" + "\n".join(_rest(lines)) + "\n"


def _table(lines: Sequence[Line]) -> Iterator[str]:
    names = ("environment", "Python", *SHOWN, "models exact", "proof", "served", "portfolio")
    yield _row(names)
    yield _row(["---"] * len(names))
    for line in lines:
        if (found := line.found) is None:
            yield _row([line.environment.name, line.reason, *["-"] * (len(names) - 2)])
            continue
        known = [verdict for verdict in found.models.values() if not verdict.startswith("unknown")]
        served = [name for name in found.checks if name.startswith("served")]
        yield _row(
            [
                line.environment.name,
                found.python,
                *(found.versions.get(name, "-") for name in SHOWN),
                f"{known.count(EXACT)} of {len(known)}",
                _holds(found, "train and prove", "verify"),
                _holds(found, *served, "same bytes"),
                _holds(found, "portfolio"),
            ]
        )


def _rest(lines: Sequence[Line]) -> Iterator[str]:
    """What did not hold, environment by environment."""
    for line in lines:
        if line.found and (wanting := line.found.wanting()):
            yield f"\n## {line.environment.name}\n"
            yield from (f"- {what}: {why}" for what, why in wanting)


def _holds(found: Found, *checks: str) -> str:
    return "NO" if any(found.checks[name] for name in checks) else "yes"


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"
