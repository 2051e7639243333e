"""The history of names: a chain that shows every change, and an append that is whole or not."""

from __future__ import annotations

import fcntl
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from bentoml_ext.errors import ConfigError, HistoryBroken
from bentoml_ext.store.history import Entry, History, recorded
from tests.support.commands import python_code
from tests.support.homes import store_of

KILLED = """
import os, signal, sys
from bentoml_ext import files
from bentoml_ext.store import history
from bentoml_ext.store.history import History
from tests.store.test_history import MODEL, entry

WATCHED = {history.__file__, files.__file__}

def append_and_die_at(step):
    left = step
    def trace(frame, event, argument):
        nonlocal left
        if frame.f_code.co_filename in WATCHED:
            left -= event == "line"
            if not left:
                os.kill(os.getpid(), signal.SIGKILL)
        return trace
    before = History.read(MODEL)
    sys.settrace(trace)
    before.append(entry("challenger", 2))
    os._exit(0)

old = History.read(MODEL)
step, seen = 0, []
while True:
    step += 1
    if not (child := os.fork()):
        append_and_die_at(step)
    _, status = os.waitpid(child, 0)
    found = History.read(MODEL)
    seen.append(len(found.entries) - len(old.entries))
    if not os.WIFSIGNALED(status):
        break
    if seen[-1]:
        # Back to the old state, for the next step.
        lines = found.path.read_bytes().splitlines(keepends=True)
        found.path.write_bytes(b"".join(lines[:len(old.entries)]))
print(step, sorted(set(seen[:-1])), seen[-1], len(list(old.path.parent.glob(".*-*"))))
"""
"""An append, killed by SIGKILL at its first line, at its second, and so on to its end."""

AT_ONCE = """
import os
from bentoml_ext.errors import ConfigError
from bentoml_ext.store.history import History
from tests.store.test_history import MODEL, entry

start, go = os.pipe()
counted, ready = os.pipe()
children = []
for number in range(12):
    if child := os.fork():
        children.append(child)
        continue
    os.close(go)
    seen = History.read(MODEL)
    os.write(ready, b".")
    os.read(start, 1)
    try:
        seen.append(entry(f"name{number % 4}", number))
    except ConfigError as error:
        os._exit(1 if "as it was when this began" in str(error) else 2)
    os._exit(0)
# None begins before all have read.
for child in children:
    os.read(counted, 1)
os.close(go)
print([os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children])
"""
"""Twelve processes that have read the same history append at once, three to each name."""

MODEL = "history_test"


def entry(name: str, version: int, was: int | None = None) -> Entry:
    return Entry(
        number=0,
        before="",
        at="2026-11-27T12:00:00+00:00",
        who="somebody@somewhere",
        verb="promote",
        name=name,
        version=f"{MODEL}:v{version}",
        was=f"{MODEL}:v{was}" if was else None,
        manifest="0" * 64,
        why='a "reason"\nof two lines, été',
    )


@pytest.fixture
def history(tmp_path: Path) -> Iterator[History]:
    """Four entries of two names."""
    with store_of(tmp_path):
        for name, version in (("champion", 1), ("challenger", 2), ("champion", 3), ("x", 4)):
            History.read(MODEL).append(entry(name, version))
        yield History.read(MODEL)


def lines_of(history: History) -> list[bytes]:
    return history.path.read_bytes().splitlines(keepends=True)


def test_a_name_means_its_last_entry(history: History, tmp_path: Path) -> None:
    now = history.now("champion")

    assert history.path == tmp_path / "releases" / f"{MODEL}.jsonl"
    assert now is not None
    assert (now.number, now.version) == (3, f"{MODEL}:v3")
    assert history.names == ["challenger", "champion", "x"]
    assert history.now("nobody") is None
    assert recorded() == [MODEL]


def test_each_entry_carries_the_seal_of_the_one_before(history: History) -> None:
    befores = [one.before for one in history.entries]

    assert befores == ["0" * 64, *history.seals[:-1]]
    assert len(set(history.seals)) == 4


@pytest.mark.parametrize("number", [1, 2, 3, 4])
@pytest.mark.parametrize(
    ("old", "new"), [(b":v", b":w"), (b"somebody", b"anybody "), (b'"why"', b'"wha"')]
)
def test_a_changed_entry_is_named(history: History, number: int, old: bytes, new: bytes) -> None:
    lines = lines_of(history)
    lines[number - 1] = lines[number - 1].replace(old, new, 1)
    history.path.write_bytes(b"".join(lines))

    with pytest.raises(HistoryBroken, match=rf"Expected entry {number} .*, line {number}\. Bring"):
        History.read(MODEL)
    assert History.load(MODEL).entries == history.entries[: number - 1]


def test_an_entry_that_was_sealed_anew_breaks_the_next(history: History) -> None:
    lines = lines_of(history)
    changed = msgspec.json.encode(json.loads(lines[1])["entry"] | {"who": "another"})
    seal = hashlib.sha256(changed).hexdigest().encode()
    lines[1] = b'{"seal":"%b","entry":%b}\n' % (seal, changed)
    history.path.write_bytes(b"".join(lines))

    with pytest.raises(HistoryBroken, match="entry 3 to follow entry 2"):
        History.read(MODEL)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda lines: lines[1:],
        lambda lines: [lines[0], *lines[2:]],
        lambda lines: [lines[0], lines[2], lines[1], lines[3]],
        lambda lines: [*lines, lines[3]],
        lambda lines: [*lines[:3], lines[3][:-1]],
        lambda lines: [*lines[:3], lines[3][:40]],
        lambda lines: [*lines, b"\n"],
        lambda lines: [*lines[:3], lines[3].replace(b'{"seal"', b'{"more":1,"seal"')],
        lambda lines: [b"\x80\x81\n", *lines],
    ],
    ids=["first", "second", "swapped", "twice", "end", "cut", "blank", "beside", "bytes"],
)
def test_a_removed_moved_or_added_line_is_found(history: History, spoil: object) -> None:
    history.path.write_bytes(b"".join(spoil(lines_of(history))))  # type: ignore[operator]

    with pytest.raises(HistoryBroken, match="Expected entry"):
        History.read(MODEL)
    with pytest.raises(HistoryBroken):
        history.append(entry("champion", 9))


def test_a_name_that_moved_meanwhile_is_refused_and_another_is_not(history: History) -> None:
    History.read(MODEL).append(entry("champion", 5, 3))

    with pytest.raises(ConfigError, match=r"got history_test:v5 by somebody@somewhere"):
        history.append(entry("champion", 6, 3))
    assert history.append(entry("challenger", 6, 2)).number == 6
    assert len(History.read(MODEL).entries) == 6


def test_a_promotion_that_was_taken_back_no_longer_counts(history: History) -> None:
    def moved(verb: str, version: int) -> None:
        made = msgspec.structs.replace(entry("champion", version), verb=verb)
        History.read(MODEL).append(made)

    moved("promote", 5)
    moved("rollback", 3)
    moved("promote", 6)

    found = [one.version[-2:] for one in History.read(MODEL).promoted("champion")]
    assert found == ["v1", "v3", "v6"]


@pytest.mark.slow
def test_a_kill_at_any_line_leaves_the_old_history_or_the_new(
    history: History, tmp_path: Path
) -> None:
    ended = python_code(KILLED, tmp_path)

    steps, *rest = ended.stdout.split(" ", 1) or [ended.stderr]
    assert rest == ["[0, 1] 1 0\n"], ended.stderr
    assert int(steps) > 40


@pytest.mark.slow
def test_of_processes_that_append_at_once_one_moves_each_name(
    history: History, tmp_path: Path
) -> None:
    ended = python_code(AT_ONCE, tmp_path)

    codes = json.loads(ended.stdout)
    assert sorted(codes) == [0] * 4 + [1] * 8, ended.stderr
    found = History.read(MODEL).entries[len(history.entries) :]
    assert sorted(one.name for one in found) == ["name0", "name1", "name2", "name3"]


@pytest.mark.slow
def test_a_process_that_holds_the_lock_is_waited_for_and_then_named(
    history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bentoml_ext.store.history.WAIT_S", 0.2)
    with (history.path.parent / ".lock").open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(ConfigError, match=r"Expected the lock within 0\.2 s, got another"):
            history.append(entry("champion", 9))

    assert history.append(entry("champion", 9)).number == 5
