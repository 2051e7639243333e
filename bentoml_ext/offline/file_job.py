"""File job: a file of applications to a file of answers, on this machine, in constant memory."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

from bentoml_ext.errors import ConfigError, InvalidApplication, TooLarge, UnreadableInput
from bentoml_ext.formats.blocks import Block
from bentoml_ext.formats.changed import REPLACED
from bentoml_ext.formats.folder_keys import Key
from bentoml_ext.formats.sinks import Sink, open_sink
from bentoml_ext.formats.source import Source
from bentoml_ext.formats.sources import open_source
from bentoml_ext.formats.spelling import ENCODING, PLAIN, Spelling
from bentoml_ext.offline.block_scorer import ROW, BatchScorer, Scored
from bentoml_ext.offline.summary import Summary
from bentoml_ext.scoring.scorer import Scorer

__all__ = ["Job", "Progress", "score"]

Progress: TypeAlias = Callable[[int, "int | None", int], None]
"""Called after each block with the steps done, all of them if anyone knows, and the rows done."""

AHEAD = 2
"""Blocks in work or waiting for each worker."""


@dataclass(frozen=True)
class Job:
    """One file to score.

    Args:
        source, source_form: what to read; None is standard input.
        output, output_form: what to write; None is standard output.
        rejected: file for the applications that must not be scored, in the output's format; None to
            end at the first of them.
        keep: columns of the source to keep.
        groups: row groups to score of a Parquet file; None for all of the file.
        first: number of the first row of these in the file.
        keys: columns that the names of the source's folders give.
        spelling: of a source of text.
    """

    source: Path | None
    source_form: str
    output: Path | None
    output_form: str
    rejected: Path | None = None
    keep: tuple[str, ...] = ()
    groups: range | None = None
    first: int = 0
    keys: tuple[Key, ...] = ()
    spelling: Spelling = PLAIN


def score(job: Job, scorer: Scorer, summary: Summary, on_progress: Progress | None = None) -> None:
    """Score a file; the output is there when it is whole.

    Args:
        job: from where to where.
        scorer: ready to use.
        summary: to add to; holds the model's tag and the number of workers.
        on_progress: see `Progress`.

    Raises:
        UnreadableInput: the source is not what its format says; or an application must not be
            scored, and the job has no file for such. Nothing was written.
        ConfigError: a column to keep is missing, or named like one of the output.
        OSError: a file or folder is missing, or the disk is full.
    """
    try:
        _score(job, scorer, summary, on_progress)
    except (InvalidApplication, TooLarge) as error:
        place = "standard input" if job.source is None else job.source
        message = f"{str(error).rstrip('.')}, in {place}. "
        message += "Its answers were not written." if job.output else "The answers are not whole."
        message += ENCODING if "not UTF-8" in message else ""
        if job.source_form == "csv" and " no columns of that name among " in message:
            message += " The first line of CSV names its columns."
            message += ENCODING if REPLACED in message else ""
        if getattr(error, "index", None) is not None:
            message += " `--on-error reject` sends such applications to a file of their own."
        raise UnreadableInput(message) from error


def _score(job: Job, scorer: Scorer, summary: Summary, on_progress: Progress | None) -> None:
    before = summary.rejected
    with ExitStack() as stack, summary.timed("seconds"):
        source = stack.enter_context(
            open_source(
                job.source,
                job.source_form,
                scorer.encoder,
                job.keep,
                job.groups,
                keys=job.keys,
                spelling=job.spelling,
            )
        )
        make = partial(
            BatchScorer,
            scorer,
            summary.model,
            source.kept,
            source.kind,
            first_only=job.rejected is None,
            flat=job.output_form == "csv",
        )
        schemas = make()
        answers = stack.enter_context(open_sink(job.output, job.output_form, schemas.schema))
        # Entered last, in place first: where there is an output, its rejected ones are there too.
        rejected = None
        if job.rejected is not None:
            rejected = stack.enter_context(
                open_sink(job.rejected, job.output_form, schemas.rejected_schema)
            )
        start = summary.rows - job.first
        for scored in _in_order(_read(source, summary), make, summary.workers):
            _write(scored, answers, rejected, summary, summary.rows - start)
            if on_progress is not None:
                on_progress(source.position(), source.total, summary.rows)
        summary.parts += 1
    if job.rejected is not None and summary.rejected == before and job.rejected.is_file():
        # Nothing was rejected: a file without a row, also of an earlier run, would say otherwise.
        job.rejected.unlink()


def _read(source: Source, summary: Summary) -> Iterator[Block]:
    blocks = iter(source.blocks)
    while True:
        with summary.timed("read_s"):
            block = next(blocks, None)
        if block is None:
            return
        yield block


def _in_order(
    blocks: Iterable[Block], make: Callable[[], BatchScorer], workers: int
) -> Iterator[Scored]:
    """Every block, scored, in order, with few of them in memory."""
    if workers == 1:
        yield from map(make().score, blocks)
        return
    # Threads, because nearly all the time is spent in native code, which lets the others run.
    own = threading.local()

    def work(block: Block) -> Scored:
        if not hasattr(own, "batch"):
            own.batch = make()
        scored: Scored = own.batch.score(block)
        return scored

    waiting: deque[Future[Scored]] = deque()
    pool = ThreadPoolExecutor(workers, thread_name_prefix="score")
    try:
        for block in blocks:
            waiting.append(pool.submit(work, block))
            if len(waiting) > AHEAD * workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def _write(
    scored: Scored, answers: Sink, rejected: Sink | None, summary: Summary, start: int
) -> None:
    """Write a block's answers.

    Args:
        start: number of the block's first row in its file.
    """
    if rejected is None and scored.first is not None:
        raise scored.first.at(start + (scored.first.index or 0))
    with summary.timed("write_s"):
        try:
            answers.write(scored.answers)
        except pa.ArrowException as error:
            raise ConfigError(
                f"Expected columns that the output's format can hold, got {error} - at --keep."
            ) from error
        if rejected is not None and len(scored.rejected):
            place = scored.rejected.schema.get_field_index(ROW)
            rows = pc.add(scored.rejected.column(ROW), start)
            rejected.write(scored.rejected.set_column(place, ROW, rows))
    summary.rows += scored.rows
    summary.scored += len(scored.answers)
    summary.rejected += len(scored.rejected)
    summary.encode_s += scored.encode_s
    summary.predict_s += scored.predict_s
