"""docs/compatibility.md: the environments as a table, and below it what did not hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import click

from benchmarks.compat.environments import ENVIRONMENTS, Environment
from benchmarks.compat.matrix import EXACT
from benchmarks.compat.probe import Found

__all__ = ["Line", "page"]

SHOWN: Final = (
    *("xgboost", "onnxruntime", "numpy", "scikit-learn", "onnx", "pyarrow", "uvicorn", "bentoml"),
)
CHECKED: Final = ("models exact", "proof", "served", "portfolio")
COLUMNS: Final = ("environment", "Python", *SHOWN, *CHECKED, "run")

HEAD: Final = """# Compatibility

Written by `make compat`; do not edit. What is not in this table was not run. `make compat ONLY=...`
writes the lines of the environments that it names and leaves the others as they are.

- *oldest*: every library of ours at the lower bound of pyproject.toml. *newest*: every library at
  the newest version that pyproject.toml allows and that has wheels for that Python. Other lines
  hold one or two libraries to a version, all others are the newest.
- *models exact*: kinds of model with XGBoost's bits in margin and prediction, on one thread and on
  two, over those that this XGBoost can train.
- *proof*: a credit model is trained, stored and proven, and `bentoml ext verify` proves it again.
- *served*: `bentoml serve` answers on onnx, xgboost and auto, with the same bytes.
- *portfolio*: `bentoml ext score` finds the probabilities in a Parquet file that the service
  answers.
- *run*: the day, the commit of this repository (with a + where files were changed besides), the
  system and its C library. A line holds for these alone.

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
        """Whether nothing is wrong; a Python that this machine lacks is not a fault."""
        return self.found.holds if self.found else not self.failed


class _Entry(NamedTuple):
    """What the page says of one environment: its row, and what did not hold, a line each."""

    row: str
    wanting: str


def page(lines: Sequence[Line], before: str = "") -> str:
    """The whole document.

    Args:
        lines: environments that were looked at.
        before: an earlier document, whose lines of the other environments stay.

    Raises:
        ClickException: the earlier document has other columns.
    """
    entries = _entries(before) | {line.environment.name: _entry(line) for line in lines}
    found = [entries[one.name] for one in ENVIRONMENTS if one.name in entries]
    table = [_row(COLUMNS), _row(["---"] * len(COLUMNS)), *(entry.row for entry in found)]
    return HEAD + "\n" + "\n".join(table) + "\n" + "".join(entry.wanting for entry in found)


def _entries(before: str) -> dict[str, _Entry]:
    """What an earlier document says, by the name of the environment."""
    if not before:
        return {}
    table, *sections = before.split("\n## ")
    rows = [row for row in table.splitlines() if row.startswith("| ")]
    if rows[:1] != [_row(COLUMNS)]:
        raise click.ClickException(
            "Expected the columns of today, got others - at docs/compatibility.md. "
            "Run every environment: make compat."
        )
    wanting = {section.partition("\n")[0]: f"\n## {section}" for section in sections}
    named = {row.removeprefix("| ").partition(" | ")[0]: row for row in rows[2:]}
    return {name: _Entry(row, wanting.get(name, "")) for name, row in named.items()}


def _entry(line: Line) -> _Entry:
    name, found = line.environment.name, line.found
    if found is None:
        return _Entry(_row([name, line.reason, *["-"] * (len(COLUMNS) - 2)]), "")
    known = [verdict for verdict in found.models.values() if not verdict.startswith("unknown")]
    served = [check for check in found.checks if check.startswith("served")]
    row = _row(
        [
            name,
            found.python,
            *(found.versions.get(library, "-") for library in SHOWN),
            f"{known.count(EXACT)} of {len(known)}",
            _holds(found, "train and prove", "verify"),
            _holds(found, *served, "same bytes"),
            _holds(found, "portfolio"),
            found.run,
        ]
    )
    wanting = "".join(f"- {what}: {why}\n" for what, why in found.wanting())
    return _Entry(row, f"\n## {name}\n\n{wanting}" if wanting else "")


def _holds(found: Found, *checks: str) -> str:
    return "NO" if any(found.checks[name] for name in checks) else "yes"


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"
