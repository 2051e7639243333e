"""Plan: from what a command names to the files to score, one by one."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import permutations
from pathlib import Path
from typing import Final

import msgspec

from bentoml_ext import files
from bentoml_ext.errors import ConfigError
from bentoml_ext.formats.folder_keys import keys_of, same_keys
from bentoml_ext.formats.spelling import PLAIN, Spelling
from bentoml_ext.formats.suffixes import SUFFIXES, form_of, plainly
from bentoml_ext.offline.file_job import Job
from bentoml_ext.offline.folders import check_depth, check_no_table, parts
from bentoml_ext.offline.row_groups import pieces

__all__ = ["PIPE", "RECORD", "STDOUT", "Plan", "ScoreRequest", "plan"]

RECORD: Final = "_score.json"
"""In a folder of answers: what they are of, so that no others are added to them."""

PIPE: Final = "-"

STDOUT: Final = "standard output"


@dataclass(frozen=True)
class ScoreRequest:
    """What a user asked for.

    Args:
        source: a file, a folder of parts, or "-" for standard input.
        output: the same; None for a name beside the source's.
        source_form, output_form: names of formats; None for what the names say.
        reject: whether bad applications go to a file of their own; otherwise the first ends it.
        rejected: that file, or folder; None for a name beside the output's.
        keep: columns of the source to keep.
        resume: whether to score only the parts that have no output yet.
        split: whether the output is a folder of parts in any case, and a large Parquet file becomes
            several of them.
        spelling: of sources of text.
    """

    source: str
    output: str | None = None
    source_form: str | None = None
    output_form: str | None = None
    reject: bool = False
    rejected: str | None = None
    keep: tuple[str, ...] = ()
    resume: bool = False
    split: bool = False
    spelling: Spelling = PLAIN


@dataclass(frozen=True)
class Plan:
    """The files to score.

    Args:
        jobs: what is to be done.
        skipped: how many parts are done already.
        output: where the answers go, in words.
    """

    jobs: list[Job]
    skipped: int
    output: str


def plan(request: ScoreRequest, model: str) -> Plan:
    """The files that a request means; makes the folders of a folder of parts.

    Args:
        request: what is asked for.
        model: tag, for the record in a folder.

    Raises:
        ConfigError: no such source, a format that no name gives, an output that is in the way, or
            one that is of another request.
    """
    _check_named(request)
    source = Path(request.source)
    if request.source != PIPE and not source.exists():
        raise ConfigError(f"Expected a file or folder, got none - at {source}.")
    if source.is_file():
        check_no_table(source, "a file outside a table")
    as_parts = source.is_dir() or request.split
    return _parts(request, model) if as_parts else _single(request)


def _check_named(request: ScoreRequest) -> None:
    """Refuse an empty name, such as that of a shell's unset variable: it would be this folder."""
    given = {"INPUT": request.source, "-o": request.output, "--rejected": request.rejected}
    for place, name in given.items():
        if name == "":
            raise ConfigError(f"Expected a file or folder, got an empty name - at {place}.")


def _single(request: ScoreRequest) -> Plan:
    if request.resume:
        raise ConfigError(
            f"Expected a folder of parts for --resume, got a file - at {request.source}."
        )
    source = _path(request.source)
    output = _path(request.output) if request.output else _beside(source, "scored")
    form = form_of(source, request.source_form, "--from")
    output_form = form
    if output is not None:
        output_form = form_of(output, request.output_form, "--to")
    elif request.output_form:
        output_form = request.output_form
    rejected = None
    if request.reject:
        rejected = Path(request.rejected) if request.rejected else _beside(output, "rejected")
        if rejected is None:
            raise ConfigError(
                "Expected --rejected FILE where the answers go to standard output, got none. "
                "Name the file for the applications that are rejected."
            )
    _check_outside_tables(output, rejected)
    if output is not None and output.is_dir():
        raise ConfigError(f"Expected a file for the answers, got a folder - at {output}.")
    _check_apart(source, output, rejected)
    request.spelling.check(form, request.source)
    job = Job(source, form, output, output_form, rejected, request.keep, spelling=request.spelling)
    return Plan([job], 0, STDOUT if output is None else str(output))


def _parts(request: ScoreRequest, model: str) -> Plan:
    source = Path(request.source)
    output = Path(request.output or f"{source.resolve()}.scored")
    rejected = Path(request.rejected or f"{output}.rejected") if request.reject else None
    jobs = list(_jobs(request, source, output, rejected))
    if source.is_dir():
        found = [job.source for job in jobs if job.source is not None]
        check_depth(found)
        same_keys(source, found)
    if request.split:
        jobs = [piece for job in jobs for piece in pieces(job)]
    if not jobs:
        raise ConfigError(f"Expected files of {', '.join(SUFFIXES)}, got none - at {source}.")
    (name, times), *_ = Counter(str(job.output) for job in jobs).most_common(1)
    if times > 1:
        raise ConfigError(f"Expected a name for each part, got one {times} times - at {name}.")
    _check_apart(source, output, rejected)
    _check_outside_tables(output, rejected)
    cut = any(job.groups is not None for job in jobs)
    _claim(request, model, output, rejected, pieces=cut)
    if request.resume:
        _check_no_others(output, {job.output for job in jobs})
        _check_no_others(rejected, {job.rejected for job in jobs})
    for folder in {path.parent for job in jobs for path in (job.output, job.rejected) if path}:
        folder.mkdir(parents=True, exist_ok=True)
    left = [job for job in jobs if not (request.resume and _is_done(job))]
    return Plan(left, len(jobs) - len(left), str(output))


def _check_apart(*paths: Path | None) -> None:
    """Refuse an output that is the source or another output, or lies within one of them."""
    # Unlike `resolve`, it takes a circle of links; who opens it says so.
    given = [Path(os.path.realpath(path)) for path in paths if path is not None]
    for one, other in permutations(given, 2):
        if one.is_relative_to(other):
            raise ConfigError(
                "Expected source, answers and rejected applications at three places, got two of "
                f"them at one place or one within another - at {one}."
            )


def _check_outside_tables(output: Path | None, rejected: Path | None) -> None:
    """Refuse to write into a table: its readers would find files that its log does not know."""
    for path, option in ((output, "-o"), (rejected, "--rejected")):
        if path is not None:
            remedy = f"Name another place by {option}."
            check_no_table(path, "a place for the answers outside of tables", remedy)


def _check_no_others(folder: Path | None, own: set[Path | None]) -> None:
    """Refuse to resume where there are answers to a part that is in the source no more."""
    if folder is None:
        return
    for path in sorted(folder.rglob("*")):
        shown = not any(part.startswith((".", "_")) for part in path.relative_to(folder).parts)
        if shown and path.suffix.lower() in SUFFIXES and path not in own:
            raise ConfigError(
                f"Expected answers to the parts that INPUT has, got others - at {path}. "
                "Delete this file if its part is gone for good, or name another folder."
            )


def _jobs(
    request: ScoreRequest, source: Path, output: Path, rejected: Path | None
) -> Iterator[Job]:
    folder, paths = (source, parts(source)) if source.is_dir() else (source.parent, [source])
    for path in paths:
        name = plainly(path.relative_to(folder))
        form = form_of(path, request.source_form, "--from")
        output_form = request.output_form or form
        if output_form != form:
            name = name.with_suffix(f".{output_form}")
        bad = None if rejected is None else rejected / name
        keys = keys_of(folder, path)
        request.spelling.check(form, path)
        yield Job(
            path,
            form,
            output / name,
            output_form,
            bad,
            request.keep,
            keys=keys,
            spelling=request.spelling,
        )


def _claim(
    request: ScoreRequest, model: str, output: Path, rejected: Path | None, *, pieces: bool
) -> None:
    """Mark a folder as that of this request."""
    record = msgspec.json.encode(
        {
            "model": model,
            "source": str(Path(request.source).resolve()),
            "keep": request.keep,
            "rejected": None if rejected is None else str(rejected.resolve()),
            "format": request.output_form,
            "pieces": pieces,
            # As it was before there was a choice.
            **({} if request.spelling == PLAIN else {"spelling": asdict(request.spelling)}),
        }
    )
    if output.exists() and not output.is_dir():
        raise ConfigError(f"Expected a folder for the answers, got a file - at {output}.")
    if output.is_dir() and any(output.iterdir()):
        if not request.resume:
            raise ConfigError(
                f"Expected a new or an empty folder, got one with files - at {output}. "
                "Score what is missing by --resume, or name another folder."
            )
        found = output / RECORD
        if not found.is_file() or found.read_bytes() != record:
            raise ConfigError(
                f"Expected the answers of this very request, got others - at {found}. "
                "Name another folder: INPUT, model, --keep, --rejected, --to, and for large files "
                "--engine, belong together."
            )
    output.mkdir(parents=True, exist_ok=True)
    files.write(output / RECORD, record)


def _is_done(job: Job) -> bool:
    """Whether a part's answers are there, and not older than the part."""
    if job.source is None or job.output is None or not job.output.is_file():
        return False
    return job.output.stat().st_mtime_ns >= job.source.stat().st_mtime_ns


def _path(name: str) -> Path | None:
    return None if name == PIPE else Path(name)


def _beside(path: Path | None, what: str) -> Path | None:
    if path is None:
        return None
    path = plainly(path)
    return path.with_suffix(f".{what}{path.suffix}")
