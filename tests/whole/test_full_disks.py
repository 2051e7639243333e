"""Full disks: one line that names the path, and nothing half-written."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import bentoml
import pytest

from models.fields import EXAMPLE
from tests.support.servers import ROOT

pytestmark = pytest.mark.slow
"""Each test starts processes."""

TAG = "credit_risk_model:latest"
FULL = "No space left on device"

EACH = """
import json, sys
from pathlib import Path
from click.testing import CliRunner
from bentoml_cli.cli import cli
small = Path(sys.argv[1])
for words in json.loads(sys.argv[2]):
    ended = CliRunner().invoke(cli, words, prog_name="bentoml")
    left = [str(path) for path in small.rglob("*") if path.is_file()]
    raised = not isinstance(ended.exception, SystemExit) and ended.exception
    print(json.dumps([ended.exit_code, ended.output, left, repr(raised or "")]))
"""
"""Commands of `bentoml` one after the other in one process, and what each leaves on the disk."""


def on_small_disk(
    size: str, small: Path, command: list[str], **environ: str
) -> subprocess.CompletedProcess[str]:
    """A command that sees a disk of a few KB at `small`."""
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("only root on Linux can mount a small disk")
    script = 'mount -t tmpfs -o "size=$0" none "$1" || exit 77; shift; exec "$@"'
    small.mkdir()
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", script, size, str(small), *command],
        cwd=ROOT,
        env={**os.environ, "NO_COLOR": "1", **environ},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode == 77 or "unshare" in done.stderr:
        pytest.skip("this machine mounts nothing")
    return done


def test_what_a_full_disk_does_not_take_is_one_line_and_nothing_is_left(
    home: Path, credit_model: bentoml.Model, tmp_path: Path
) -> None:
    small, good, bad = tmp_path / "small", tmp_path / "good.csv", tmp_path / "bad.csv"
    head, row = ",".join(EXAMPLE), ",".join(map(str, EXAMPLE.values()))
    good.write_text("\n".join([head, *[row] * 5000]))
    bad.write_text("\n".join([head, *[row.replace("owner", "castle")] * 5000]))
    outputs = [small / "graph.onnx", small / "answers.csv", small / "answers.arrow"]
    rejected = small / "rejected.csv"
    reject = ["ext", "score", TAG, str(bad), "--on-error", "reject"]
    commands = [
        ["ext", "export", TAG, "-o", str(outputs[0])],
        *(["ext", "score", TAG, str(good), "-o", str(output)] for output in outputs[1:]),
        [*reject, "-o", str(tmp_path / "few.csv"), "--rejected", str(rejected)],
        ["serve", str(ROOT), "--host", "127.0.0.1"],
    ]
    each = [sys.executable, "-c", EACH, str(small), json.dumps(commands)]

    # The folder of a server, with its metrics, is in TMPDIR.
    done = on_small_disk("20k", small, each, BENTOML_HOME=str(home), TMPDIR=str(small))
    *written, served = [json.loads(line) for line in done.stdout.splitlines()]

    for place, ended in zip([*outputs, rejected], written, strict=True):
        assert ended == [1, f"Error: {FULL}: {place}\n", [], "''"]
    assert not (tmp_path / "few.csv").exists()
    assert (served[0], served[1].count("\n"), served[2:]) == (1, 1, [[], "''"])
    assert f"Expected room for metrics, got {FULL} - at {small}. Set TMPDIR" in served[1]


# The first holds no second model, the other no second bento.
@pytest.mark.parametrize("size", ["500k", "1300k"])
def test_a_bento_on_a_full_disk_is_one_line_and_nothing_is_left(
    own_home: Path, tmp_path: Path, size: str
) -> None:
    small = tmp_path / "small"
    script = 'cp -r "$0/models" "$1"; exec "$2" -m bentoml build; '
    command = ["sh", "-c", script, str(own_home), str(small), sys.executable]
    show = f'"$@"; code=$?; cd {small}; find bentos tmp -type f >&2; exit $code'

    done = on_small_disk(size, small, ["sh", "-c", show, "sh", *command], BENTOML_HOME=str(small))

    assert done.returncode == 1
    # What is left would come after it.
    # A file in it where the write that failed has a name; which one fails depends on sizes.
    assert done.stderr.splitlines()[-1].startswith(f"Error: {FULL}: {small}")
    assert "Traceback" not in done.stderr


def test_a_promotion_on_a_full_disk_is_one_line_and_the_name_stays(
    own_home: Path, tmp_path: Path
) -> None:
    small = tmp_path / "small"
    history = small / "releases" / "credit_risk_model.jsonl"
    prepare = f"cp -r {own_home}/models {small}; mkdir {small}/releases; "
    fill = f"cat /dev/zero > {small}/rest; "
    show = f"code=$?; ls -A {small}/releases >&2; exit $code"
    promote = f"{sys.executable} -m bentoml ext promote {TAG}; "

    done = on_small_disk(
        "8m", small, ["sh", "-c", prepare + fill + promote + show], BENTOML_HOME=str(small)
    )

    assert done.returncode == 1
    assert done.stderr.splitlines()[-2:] == [f"Error: {FULL}: {history}", ".lock"]
