"""Disk errors: the place of a write that failed, named or not."""

from __future__ import annotations

import errno
import sys
from pathlib import Path

import click
import pytest

from bentoml_ext.disk_errors import naming, place_of, refusal

FULL = "No space left on device"


def test_an_error_names_the_file_that_was_to_be_made() -> None:
    assert refusal(OSError(errno.ENOSPC, FULL, "from", None, "to")) == f"{FULL}: to"


def test_an_error_of_a_write_that_is_not_printing_names_no_place() -> None:
    try:
        raise OSError(errno.ENOSPC, FULL)
    except OSError as error:
        assert (place_of(error), refusal(error)) == (None, FULL)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has a full device")
def test_printing_that_fails_names_standard_output() -> None:
    with (
        Path("/dev/full").open("wb", buffering=0) as full,
        pytest.raises(OSError, match=FULL) as raised,
    ):
        click.echo(b"word", file=full)

    assert refusal(raised.value) == f"{FULL}: standard output"


def test_a_write_is_named_by_the_file_that_it_was_for() -> None:
    with pytest.raises(OSError, match=FULL) as raised, naming(Path("here")):
        raise OSError(errno.ENOSPC, FULL)

    assert refusal(raised.value) == f"{FULL}: here"


def test_a_file_that_an_error_names_keeps_its_name() -> None:
    with pytest.raises(OSError, match=FULL) as raised, naming(Path("here")):
        raise OSError(errno.ENOSPC, FULL, "there")

    assert refusal(raised.value) == f"{FULL}: there"


def test_a_limit_of_this_process_has_a_remedy() -> None:
    error = OSError(errno.EFBIG, "File too large", "here")

    assert refusal(error).endswith(": here. Raise this process's limit: `ulimit -f unlimited`.")
