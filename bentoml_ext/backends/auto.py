"""Auto backend: hands each call to the backend that is fastest for as many rows."""

from __future__ import annotations

import time
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from bentoml_ext.arrays import Margins, Rows
from bentoml_ext.backends import form_names
from bentoml_ext.backends.base import Backend
from bentoml_ext.backends.costs import measure
from bentoml_ext.backends.crossover import Crossover
from bentoml_ext.distributions import the_extra
from bentoml_ext.errors import BackendMissing, ConfigError
from bentoml_ext.evidence import PROOF, Proof
from bentoml_ext.proof_rows import PROOF_ROWS, ProofRows

if TYPE_CHECKING:
    from bentoml_ext.bundle import Bundle

__all__ = ["AutoBackend"]


class AutoBackend(Backend):
    """Other backends, all with the same bits, and a table of which is asked for how many rows.

    Args:
        backends: by name.
        crossover: the table; names some of them.
        measured_s: seconds that it took to measure it, or None if it was set.
    """

    name = "auto"
    filename = ""

    def __init__(
        self,
        backends: Mapping[str, Backend],
        crossover: Crossover,
        measured_s: float | None = None,
    ) -> None:
        self._parts = tuple(backends.values())
        self._asked = [backends[name] for _, name in crossover.steps]
        self._limits = [rows for rows, _ in crossover.steps[1:]]
        self._crossover, self._measured_s = crossover, measured_s

    @classmethod
    def open(cls, bundle: Bundle, crossover: Crossover | None = None) -> Backend:
        """Every backend that the bundle's proof judged and whose library is installed.

        Args:
            bundle: whose file each of them reads.
            crossover: takes the backends that it names, and measures nothing.

        Raises:
            ConfigError: the crossover names one that the proof did not judge.
            BackendMissing: the library of one that it names is missing; without it, of all.
            BundleError, BackendError: as `Backend.open`.
        """
        proven = _proven(bundle)
        if crossover is None:
            return cls._measured(bundle, dict(_installed(bundle, proven)))
        _check(crossover, proven)
        return cls({name: bundle.backend(name) for name in crossover.names}, crossover)

    @classmethod
    def _measured(cls, bundle: Bundle, backends: Mapping[str, Backend]) -> AutoBackend:
        if not backends:
            raise BackendMissing(
                "Expected a backend that is installed and that this model's proof judged, got none "
                f"- at {bundle.path}. Install {the_extra('auto')}."
            )
        start = time.perf_counter()
        rows = ProofRows.from_npy(bundle.file(PROOF_ROWS)).rows
        crossover = Crossover.cheapest(measure(backends, rows))
        return cls(backends, crossover, time.perf_counter() - start)

    @property
    def parts(self) -> tuple[Backend, ...]:
        return self._parts

    def for_rows(self, rows: int) -> Backend:
        return self._asked[bisect_right(self._limits, rows)]

    def margins(self, rows: Rows) -> Margins:
        return self.for_rows(len(rows)).margins(rows)

    def single(self, row: Rows) -> Callable[[], float]:
        return self._asked[0].single(row)

    def __str__(self) -> str:
        found = "set" if self._measured_s is None else f"measured in {self._measured_s:.2f} s"
        return f"{self.name} ({self._crossover}, {found})"

    def describe(self) -> dict[str, Any]:
        found = "set" if self._measured_s is None else "measured"
        steps = [{"from_rows": rows, "backend": name} for rows, name in self._crossover.steps]
        return {"crossover": {"found": found, "seconds": self._measured_s, "steps": steps}}


def _proven(bundle: Bundle) -> list[str]:
    """Names of the backends that the bundle's own proof judged and found equal."""
    parts = Proof.from_json(bundle.file(PROOF)).parts
    differ = {part.subject for part in parts if not part.holds}
    return [name for name in form_names() if name in {part.subject for part in parts} - differ]


def _installed(bundle: Bundle, names: Sequence[str]) -> Iterator[tuple[str, Backend]]:
    for name in names:
        with suppress(BackendMissing):
            yield name, bundle.backend(name)


def _check(crossover: Crossover, proven: Sequence[str]) -> None:
    if strange := [name for name in crossover.names if name not in proven]:
        raise ConfigError(
            f"Expected backends that this model's proof judged ({', '.join(proven)}), got "
            f"'{strange[0]}' - at CROSSOVER. Save the model anew where that backend is installed."
        )
