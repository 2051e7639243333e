"""History: what each name of a model has meant, one sealed line after the other.

The last line of a name is what the name means. So one rename moves a name and records the move; no
kill and no full disk leaves one without the other.
"""

from __future__ import annotations

import errno
import hashlib
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import msgspec

from bentoml_ext import files
from bentoml_ext.errors import ConfigError, HistoryBroken
from bentoml_ext.internals.store import model_store_path

__all__ = ["Compared", "Entry", "History", "copy_history", "recorded"]

FOLDER: Final = "releases"
SUFFIX: Final = ".jsonl"
LOCK: Final = ".lock"
WAIT_S: Final = 10.0
"""For another process that appends, which takes milliseconds."""
PAUSE_S: Final = 0.05
START: Final = "0" * 64
"""The seal before the first entry."""


class Compared(msgspec.Struct, frozen=True, kw_only=True):
    """The comparison that a promotion was judged by.

    Args:
        champion: whole tag of the version that the name meant then.
        data: name of the file of applications.
        data_sha256, gates_sha256: checksums in hex of that file and of the file of gates.
        rows: applications that both versions answer.
        outcome: column of the outcomes; empty where none was named.
        gates: each gate in a sentence.
    """

    champion: str
    data: str
    data_sha256: str
    gates_sha256: str
    rows: int
    outcome: str
    gates: list[str]


class Entry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One move of a name.

    Args:
        number: from 1 on, over all names of the model.
        before: seal of the entry before.
        at: when, ISO 8601 in UTC.
        who: user of the system and machine.
        verb: what was done.
        name: such as champion.
        version: whole tag that the name means from now on.
        manifest: sha256 of that version's manifest, which has the checksums of its files.
        was: whole tag that it meant until then; None the first time.
        why: in the words of who did it.
        proof: what was proven for it, in a sentence.
        compared: what the gates said; None without gates.
    """

    number: int
    before: str
    at: str
    who: str
    verb: Literal["promote", "rollback"]
    name: str
    version: str
    manifest: str
    was: str | None = None
    why: str = ""
    proof: str = ""
    compared: Compared | None = None


class _Line(msgspec.Struct, frozen=True):
    """A line of the file: an entry as its bytes, and their sha256."""

    seal: str
    entry: msgspec.Raw


@dataclass(frozen=True)
class History:
    """The entries of a model, as far as they are as they were sealed.

    Args:
        path: of the file, which need not be there.
        entries: in order.
        seals: of them.
        broken: what is wrong with the entry after these, in a sentence; empty where nothing is.
    """

    path: Path
    entries: tuple[Entry, ...]
    seals: tuple[str, ...]
    broken: str = ""

    @classmethod
    def load(cls, model: str) -> History:
        """What the file of a model says, to the first entry that is broken."""
        path = _folder() / f"{model}{SUFFIX}"
        try:
            data = files.read(path, files.MOST_TEXT_BYTES)
        except FileNotFoundError:
            data = b""
        entries, seals = list[Entry](), [START]
        for line in data.splitlines(keepends=True):
            try:
                entry, seal = _opened(line, len(entries) + 1, seals[-1])
            except ValueError as error:
                broken = f"Expected {error} - at {path}, line {len(entries) + 1}."
                return cls(path, tuple(entries), tuple(seals[1:]), broken)
            entries.append(entry)
            seals.append(seal)
        return cls(path, tuple(entries), tuple(seals[1:]))

    @classmethod
    def read(cls, model: str) -> History:
        """The same, whole.

        Raises:
            HistoryBroken: an entry is not as it was sealed; says which.
        """
        history = cls.load(model)
        if history.broken:
            raise HistoryBroken(
                f"{history.broken} Bring the file back from a copy; `bentoml ext history {model}` "
                "shows what is sound."
            )
        return history

    @property
    def names(self) -> list[str]:
        """Every name that was ever given, sorted."""
        return sorted({entry.name for entry in self.entries})

    def now(self, name: str) -> Entry | None:
        """The entry by which a name means what it means."""
        return next((entry for entry in reversed(self.entries) if entry.name == name), None)

    def promoted(self, name: str) -> list[Entry]:
        """The promotions that no rollback took back, in order; the last one holds."""
        found = list[Entry]()
        for entry in self.entries:
            if entry.name == name and entry.verb == "promote":
                found.append(entry)
            elif entry.name == name:
                del found[-1:]
        return found

    def append(self, entry: Entry) -> Entry:
        """Seal an entry and write it, whole or not at all; whose number and seal are set here.

        Raises:
            ConfigError: the name has moved since this history was read, or another process does
                not end its own append.
            HistoryBroken: as `read`.
            OSError: the disk is full, or this user may not write there.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with _alone(self.path.parent / LOCK):
            found = History.read(self.path.name.removesuffix(SUFFIX))
            if (now := found.now(entry.name)) != self.now(entry.name):
                raise ConfigError(
                    f"Expected '{entry.name}' as it was when this began, got {now and now.version} "
                    f"by {now and now.who} - at {self.path}. Look at it, and begin again."
                )
            for left in self.path.parent.glob(f".{self.path.name}-*"):
                # Of a process that was killed before its rename; nobody writes now but this one.
                left.unlink()
            number, before = len(found.entries) + 1, (START, *found.seals)[-1]
            entry = msgspec.structs.replace(entry, number=number, before=before)
            old = files.read(self.path) if found.entries else b""
            files.write(self.path, old + _sealed(entry))
            _sync(self.path.parent)
        return entry


def copy_history(model: str, folder: Path) -> None:
    """Copy a model's history to a folder that holds another store."""
    path = _folder() / f"{model}{SUFFIX}"
    (folder / FOLDER).mkdir(exist_ok=True)
    files.write(folder / FOLDER / path.name, files.read(path))


def recorded() -> list[str]:
    """The models that have a history beside the store in use, sorted."""
    return sorted(path.name.removesuffix(SUFFIX) for path in _folder().glob(f"[!.]*{SUFFIX}"))


def _folder() -> Path:
    """Beside the models: BentoML takes each folder among them for a model."""
    # A server may see its home by links.
    return model_store_path().resolve().parent / FOLDER


def _sealed(entry: Entry) -> bytes:
    data = msgspec.json.encode(entry)
    return msgspec.json.encode(_Line(_sha256(data), msgspec.Raw(data))) + b"\n"


def _opened(line: bytes, number: int, before: str) -> tuple[Entry, str]:
    """The entry of a line and its seal.

    Raises:
        ValueError: says what was expected, and what it is.
    """
    try:
        read = msgspec.json.decode(line, type=_Line)
        entry = msgspec.json.decode(read.entry, type=Entry)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"entry {number}, got no entry: {error}") from error
    # The second catches what stands beside an entry, or was cut off its end.
    if _sha256(bytes(read.entry)) != read.seal or msgspec.json.encode(read) + b"\n" != line:
        raise ValueError(f"entry {number} as it was sealed, got a changed one")
    if entry.before != before or entry.number != number:
        raise ValueError(
            f"entry {number} to follow entry {number - 1}, got one that follows another: an entry "
            "before it was changed, removed or put in"
        )
    return entry, read.seal


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _sync(folder: Path) -> None:
    """Bring a rename to the disk before anybody reads of it."""
    file = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Hold a lock, which the kernel lets go of whatever this process ends of."""
    # Not on Windows.
    import fcntl

    file = os.open(path, os.O_CREAT | os.O_RDWR, 0o666)
    try:
        end = time.monotonic() + WAIT_S
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError as error:
                if error.errno not in (errno.EAGAIN, errno.EACCES):
                    raise
                if time.monotonic() > end:
                    raise ConfigError(
                        f"Expected the lock within {WAIT_S:g} s, got another process that holds "
                        f"it - at {path}. End that process, and begin again."
                    ) from error
                time.sleep(PAUSE_S)
        yield
    finally:
        os.close(file)
