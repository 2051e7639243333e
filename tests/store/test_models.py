"""A version is in the store whole or not at all: killed, out of room, or two at a time."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import bentoml
import pytest
from bentoml._internal.models import ModelStore

from bentoml_ext.store.bundle import Bundle
from tests.support.commands import ROOT, environment

# What save_model does once a model is proven; the proof would take most of the time.
SAVE = """
import os, sys
from pathlib import Path
from bentoml_ext.internals.store import create_model
from bentoml_ext.store.bundle import BOOSTER, ENCODER, GRAPH, POLICY, Bundle, Manifest
from bentoml_ext.encoders.encoder import Encoder
from bentoml_ext.proof.record import PROOF
from tests.support import small
from tests.support.selftests import proof_of

encoder = Encoder(["age", "income"])
files = {BOOSTER: os.urandom(20_000), GRAPH: os.urandom(20_000)}
files |= {ENCODER: encoder.to_json(), POLICY: small.policy().to_json()}
files[PROOF] = proof_of(files, objective="")
manifest = Manifest(
    format=0, objective="", n_features=2, n_trees=1, features=list(encoder.features), files={},
    versions={},
)
fields = {"module": "bentoml_ext", "api_version": "v1", "signatures": {}}
print("ready", flush=True)
for _ in range(int(sys.argv[1])):
    with create_model(sys.argv[2], framework_versions={}, **fields) as stored:
        Bundle.write(Path(stored.path), files, manifest)
    print(stored.tag, flush=True)
"""
FULL_DISK_KIB = (40, 100, 160, 210)


def saving(home: Path, times: int, name: str = "model") -> subprocess.Popen[str]:
    """A process that saves a model so many times; past its imports when this returns."""
    process = subprocess.Popen(
        [sys.executable, "-c", SAVE, str(times), name],
        cwd=ROOT,
        env=environment(home, TMPDIR=str(home.parent)),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def ended(process: subprocess.Popen[str]) -> tuple[str, str]:
    """What it printed past its first line, and its errors, once it has ended."""
    assert process.stdout is not None
    # Not by `communicate`: it would miss what was read together with the first line.
    printed = process.stdout.read()
    return printed, process.communicate()[1]


def whole_versions(home: Path) -> list[bentoml.Model]:
    """Every version that the store lists; each opens with its checksums."""
    # As BentoML does before it lists.
    (home / "models").mkdir(parents=True, exist_ok=True)
    listed = ModelStore(home / "models").list()
    for model in listed:
        Bundle(Path(model.path))
    return list(listed)


@pytest.fixture
def small_disk(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """A folder on a disk of so many KiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    options = f"size={request.param}k"
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(disk)]
    if os.geteuid() or subprocess.run(command, check=False).returncode:
        pytest.skip("only root may mount a small disk")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


@pytest.mark.slow
def test_a_save_that_is_killed_at_any_time_leaves_whole_versions(tmp_path: Path) -> None:
    home, wait_s = tmp_path / "home", random.Random(7)  # noqa: S311
    for _ in range(12):
        process = saving(home, 1000)
        # A store with a version in it: `latest` must point at one from then on.
        assert process.stdout is not None
        assert process.stdout.readline().startswith("model:")
        time.sleep(wait_s.uniform(0, 0.1))
        process.kill()
        process.communicate()

        latest = ModelStore(home / "models").get("model:latest")
        assert latest.tag in [model.tag for model in whole_versions(home)]


@pytest.mark.slow
def test_processes_that_save_at_once_all_succeed(tmp_path: Path) -> None:
    home, times = tmp_path / "home", 5
    processes = [saving(home, times) for _ in range(2)]

    told = [ended(process) for process in processes]

    assert [process.returncode for process in processes] == [0, 0], told
    saved = sorted(line for printed, _ in told for line in printed.split())
    assert len(set(saved)) == 2 * times
    assert sorted(str(model.tag) for model in whole_versions(home)) == saved
    assert str(ModelStore(home / "models").get("model:latest").tag) in saved


@pytest.mark.slow
def test_of_processes_that_save_one_version_at_once_one_succeeds(tmp_path: Path) -> None:
    home = tmp_path / "home"
    processes = [saving(home, 1, "model:v1") for _ in range(2)]

    told = [ended(process) for process in processes]

    assert sorted(process.returncode for process in processes) == [0, 1], told
    assert any("got model:v1, which exists" in errors for _, errors in told)
    assert [str(model.tag) for model in whole_versions(home)] == ["model:v1"]


@pytest.mark.slow
@pytest.mark.parametrize("small_disk", FULL_DISK_KIB, indirect=True)
def test_a_full_disk_leaves_whole_versions(small_disk: Path) -> None:
    process = saving(small_disk / "home", 20)

    _, errors = process.communicate()

    assert process.returncode == 1
    assert "No space left on device" in errors
    versions = whole_versions(small_disk / "home")
    if versions:
        latest = ModelStore(small_disk / "home" / "models").get("model:latest")
        assert latest.tag in [model.tag for model in versions]


@pytest.mark.slow
@pytest.mark.parametrize("small_disk", [400], indirect=True)
def test_a_save_after_a_full_disk_succeeds(small_disk: Path) -> None:
    filler = small_disk / "filler"
    home = small_disk / "home"
    with saving(home, 1) as first:
        first.communicate()
    filler.write_bytes(bytes(_free(small_disk) - 8192))
    with saving(home, 1) as refused:
        refused.communicate()
    filler.unlink()

    again = saving(home, 1)
    saved, _ = ended(again)

    assert (first.returncode, refused.returncode, again.returncode) == (0, 1, 0)
    assert len(whole_versions(home)) == 2
    assert str(ModelStore(home / "models").get("model:latest").tag) == saved.strip()


def _free(folder: Path) -> int:
    disk = os.statvfs(folder)
    return disk.f_bavail * disk.f_frsize
