"""Arrow has let go of a file before a run ends: else the process may abort at its end."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.csv as pacsv

from bentoml_ext.formats import lent


class Hoarder:
    """A reader whose thread keeps what it has read until it is let."""

    def __init__(self, file: Any) -> None:
        self.let, self.has_let = threading.Event(), threading.Event()
        self._kept = [file, file.read(2), file.read(2)]
        threading.Thread(target=self._keep, daemon=True).start()

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        yield pa.record_batch({"a": [1]})

    def _keep(self) -> None:
        self.let.wait(30)
        self.has_let.set()
        self._kept.clear()


def test_the_end_waits_for_what_a_thread_of_the_reader_still_holds() -> None:
    readers: list[Hoarder] = []

    def read(file: Any) -> Iterator[pa.RecordBatch]:
        readers.append(Hoarder(file))
        return iter(readers[0])

    found = lent.batches(io.BytesIO(b"abcd"), read)
    next(found)
    threading.Timer(0.05, readers[0].let.set).start()

    assert not list(found)
    assert readers[0].has_let.is_set()


def test_a_reader_that_is_given_up_ends_too() -> None:
    text = io.BytesIO(b"a\n" + b"1\n" * 4_000_000)
    options = pacsv.ReadOptions(use_threads=False, block_size=1024)
    found = lent.batches(text, lambda file: pacsv.open_csv(file, read_options=options))
    next(found)

    found.close()


def test_all_is_read() -> None:
    text = io.BytesIO(b"a\n" + b"1\n" * 300_000)

    found = lent.batches(text, pacsv.open_csv)

    assert sum(batch.num_rows for batch in found) == 300_000
