"""Backends: the backends of one version, compared on answers, speed and size."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from bentoml_ext.arrays import Rows
from bentoml_ext.backends import timing
from bentoml_ext.backends.crossover import Crossover
from bentoml_ext.compare.agreement import Agreement, compared, generated_rows
from bentoml_ext.compare.applications import Applications, FileFacts, Progress
from bentoml_ext.compare.footprint import Footprint, footprints
from bentoml_ext.compare.gate import GateResult
from bentoml_ext.compare.latency import Latency, measured
from bentoml_ext.compare.machine import Machine
from bentoml_ext.compare.subject import Subject
from bentoml_ext.compare.worth import worth
from bentoml_ext.encoders.encoder import Application
from bentoml_ext.proving.applications import generated
from bentoml_ext.scoring.scorer import Scorer

__all__ = ["BackendsReport", "Steps", "compare_backends"]

MADE_UP: Final = 10_000
TIMED_ROWS: Final = 8_192


class BackendsReport(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="backends"):
    """The backends of one version.

    Args:
        verdict: whether a swap is worth it, in one sentence.
        model: tag of the version.
        backends: that were compared, the booster's own first.
        equal: whether every bit and every decision is equal.
        agreement: on each set of rows, of each backend with the first.
        latency: of each backend at each number of rows.
        crossover: the fastest backend by the number of rows, as CROSSOVER takes it.
        footprint: of each backend.
        data: the file that was scored, too; None without one.
        measured: where and when.
        gates: what became of the limits.
    """

    verdict: str
    model: str
    backends: list[str]
    equal: bool
    agreement: list[Agreement]
    latency: list[Latency]
    crossover: str
    footprint: list[Footprint]
    data: FileFacts | None
    measured: Machine
    gates: list[GateResult] = []


@dataclass(frozen=True)
class Steps:
    """What is called while a comparison works.

    Args:
        rows: with each block.
        measuring: with the measurements that are done and all that there will be.
        loading: the same of processes that load a backend.
    """

    rows: Progress | None = None
    measuring: Callable[[int, int], None] | None = None
    loading: Callable[[int, int], None] | None = None


def compare_backends(
    subject: Subject,
    names: Sequence[str] = (),
    data: Applications | None = None,
    steps: Steps | None = None,
) -> BackendsReport:
    """Compare backends of one version.

    Args:
        subject: the version.
        names: of backends; by default all that are installed.
        data: applications to compare them on, besides those that are made up.
        steps: see `Steps`.

    Raises:
        UnknownBackend, BackendMissing, BackendError, BundleError: a backend cannot be opened.
        ConfigError: fewer than two backends.
        UnreadableInput: as `Applications.batches`.
    """
    steps = steps or Steps()
    scorers = subject.scorers(names)
    encoder = subject.bundle.encoder
    made_up = generated(encoder, subject.sampler, MADE_UP)
    agreement = _agreement(subject, scorers, made_up, data, steps)
    rows = encoder.rows(made_up[:TIMED_ROWS])
    latency = measured(scorers, _bodies(scorers, made_up), rows, steps.measuring)
    costs = timing.measure({name: one.backend for name, one in scorers.items()}, rows)
    found = footprints(subject.bundle, list(scorers), steps.loading)
    return BackendsReport(
        verdict=worth(agreement, latency, costs, found),
        model=str(subject.tag),
        backends=list(scorers),
        equal=all(one.holds for one in agreement),
        agreement=agreement,
        latency=latency,
        crossover=str(Crossover.cheapest(costs)),
        footprint=found,
        data=data.facts() if data is not None else None,
        measured=Machine.here(),
    )


def _agreement(
    subject: Subject,
    scorers: Mapping[str, Scorer],
    made_up: Sequence[Application],
    data: Applications | None,
    steps: Steps,
) -> list[Agreement]:
    done = 0

    def on_rows(count: int) -> None:
        nonlocal done
        done += count
        if steps.rows is not None:
            steps.rows(done, None, done)

    found = []
    for name, blocks in generated_rows(subject, made_up):
        found += compared(name, blocks, scorers, subject.bundle.decider, on_rows)
    if data is not None:
        blocks = _rows_of(data, steps.rows)
        found += compared(data.path.name, blocks, scorers, subject.bundle.decider, lambda _: None)
    return found


def _rows_of(data: Applications, on_progress: Progress | None) -> Iterator[Rows]:
    return (batch.rows for batch in data.batches(on_progress))


def _bodies(scorers: Mapping[str, Scorer], applications: Sequence[Application]) -> list[bytes]:
    """Applications as JSON that the reader of requests takes; some have a large number."""
    reader = next(iter(scorers.values())).reader
    bodies = list(map(msgspec.json.encode, applications[:1_000]))
    return [body for body in bodies if reader.one(body) is not None]
