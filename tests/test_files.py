"""A file is written whole or not at all."""

from __future__ import annotations

import os
import stat
import threading
from pathlib import Path

import pytest

from bentoml_ext import files


def test_a_file_is_written_and_nothing_else(tmp_path: Path) -> None:
    files.write(tmp_path / "graph.onnx", b"graph")

    assert (tmp_path / "graph.onnx").read_bytes() == b"graph"
    assert [path.name for path in tmp_path.iterdir()] == ["graph.onnx"]


def test_a_file_that_was_there_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "graph.onnx"
    path.write_bytes(b"an older and longer graph")

    files.write(path, b"graph")

    assert path.read_bytes() == b"graph"


def test_a_new_file_has_the_rights_of_any_file(tmp_path: Path) -> None:
    (tmp_path / "ordinary").touch()

    files.write(tmp_path / "graph.onnx", b"graph")

    modes = {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert len(modes) == 1


def test_a_link_stays_and_its_file_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "v1.onnx").write_bytes(b"old")
    (tmp_path / "current.onnx").symlink_to("v1.onnx")

    files.write(tmp_path / "current.onnx", b"new")

    assert (tmp_path / "current.onnx").is_symlink()
    assert (tmp_path / "v1.onnx").read_bytes() == b"new"


def test_a_pipe_is_written_to_and_stays(tmp_path: Path) -> None:
    # As a device is: replacing /dev/null would be a lasting surprise.
    pipe, found = tmp_path / "pipe", bytearray()
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: found.extend(pipe.read_bytes()))
    reader.start()

    files.write(pipe, b"graph")
    reader.join()

    assert bytes(found) == b"graph"
    assert pipe.is_fifo()


@pytest.mark.parametrize("name", ["missing/graph.onnx", "file/graph.onnx"])
def test_a_folder_that_is_none_is_an_error_in_the_files_own_name(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(OSError, match=name) as caught:
        files.write(tmp_path / name, b"graph")

    assert caught.value.filename == str(tmp_path / name)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_write_that_fails_leaves_the_file_that_was_there(tmp_path: Path) -> None:
    (tmp_path / "graph.onnx").write_bytes(b"old")

    with pytest.raises(TypeError):
        files.write(tmp_path / "graph.onnx", "no bytes")  # type: ignore[arg-type]

    assert (tmp_path / "graph.onnx").read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["graph.onnx"]


def test_a_circle_of_links_is_an_error_of_the_system(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    one.symlink_to(other)
    other.symlink_to(one)

    with pytest.raises(OSError, match="levels of symbolic links") as raised:
        files.write(one, b"data")

    assert raised.value.filename == str(one)
    assert one.is_symlink()
