"""Users and file systems: what only reads works for anyone, and what cannot write says where."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import bentoml
import pytest

from models.fields import EXAMPLE
from tests.support.servers import ROOT, Server, started

pytestmark = pytest.mark.slow
"""Each test starts processes."""

TAG = "credit_risk_model:latest"
# A user without a passwd entry, who may read what root may, but write nothing of root's: the
# interpreter of the tests may lie in root's home.
NOBODY = [
    *("setpriv", "--reuid=54321", "--regid=54321", "--clear-groups"),
    *("--inh-caps=-all,+dac_read_search", "--ambient-caps=-all,+dac_read_search"),
]


def ext(home: Path, *words: str, prefix: list[str] | None = None) -> tuple[int, str]:
    """Exit code of `bentoml ext`, and all that it prints."""
    command = [*(prefix or []), sys.executable, "-m", "bentoml", "ext", *words]
    environ = {**os.environ, "BENTOML_HOME": str(home), "HOME": "/nonexistent"}
    environ |= {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


@pytest.fixture
def application(tmp_path: Path) -> Path:
    """A portfolio of one."""
    path = tmp_path / "one.csv"
    path.write_text(",".join(EXAMPLE) + "\n" + ",".join(str(v) for v in EXAMPLE.values()) + "\n")
    return path


@pytest.fixture
def mine(tmp_path: Path) -> list[str]:
    """What makes a command another user's, who owns `tmp_path / "own"`."""
    if sys.platform != "linux" or os.geteuid() != 0 or shutil.which("setpriv") is None:
        pytest.skip("only root on Linux can become another user")
    if subprocess.run([*NOBODY, "true"], check=False, capture_output=True).returncode:
        pytest.skip("this machine gives no other user")
    (tmp_path / "own").mkdir()
    os.chown(tmp_path / "own", 54321, 54321)
    return NOBODY


def test_another_user_reads_a_store_and_scores(
    home: Path, credit_model: bentoml.Model, application: Path, mine: list[str]
) -> None:
    answers = application.parent / "own" / "answers.csv"

    inspected = ext(home, "inspect", TAG, prefix=mine)
    scored = ext(home, "score", TAG, str(application), "-o", str(answers), prefix=mine)

    assert (inspected[0], scored[0]) == (0, 0)
    assert "APPROVED" in answers.read_text() or "MAYBE" in answers.read_text()


def test_what_another_user_cannot_write_is_one_line_with_the_path(
    home: Path, credit_model: bentoml.Model, application: Path, mine: list[str]
) -> None:
    output = application.parent / "answers.csv"
    application.parent.chmod(0o755)

    code, told = ext(home, "score", TAG, str(application), "-o", str(output), prefix=mine)

    assert (code, told) == (1, f"Error: Permission denied: {output}\n")
    assert not output.exists()


@pytest.mark.parametrize(("closed", "name"), [(">&-", "output"), ("<&-", "input")])
def test_a_closed_stream_is_one_line(
    home: Path, credit_model: bentoml.Model, application: Path, closed: str, name: str
) -> None:
    prefix = ["sh", "-c", f'"$@" {closed}', "sh"]
    source = str(application) if name == "output" else "-"
    words = ("score", TAG, source, "--from", "csv", "-o", "-")

    code, told = ext(home, *words, prefix=prefix)

    assert code == 1
    assert f"Expected an open standard {name}, got a closed one" in told
    assert told.count("\n") == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no full device")
@pytest.mark.parametrize(
    "words",
    [
        *("--help", "--version", "ext --help", "ext inspect credit_risk_model", "serve --help"),
        *("models list", "build"),
    ],
)
def test_a_full_standard_output_is_named_and_not_the_home(
    own_home: Path, credit_model: bentoml.Model, words: str
) -> None:
    command = [sys.executable, "-m", "bentoml", *words.split()]

    done = subprocess.run(
        ["sh", "-c", '"$@" > /dev/full', "sh", *command],
        cwd=ROOT,
        env=os.environ | {"BENTOML_HOME": str(own_home)},
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )

    full = "No space left on device"
    *log, told = done.stderr.splitlines()
    assert (done.returncode, told) == (1, f"Error: {full}: standard output")
    assert log == ([f"The log is lost: {full}."] if words == "build" else [])


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not hold this limit")
@pytest.mark.parametrize("module", ["bentoml ext score TAG - -o -", "models.train"])
def test_a_limit_of_memory_that_libraries_cannot_load_under_is_one_line(
    home: Path, credit_model: bentoml.Model, module: str
) -> None:
    words = [sys.executable, "-m", *module.replace("TAG", TAG).split()]

    done = subprocess.run(
        ["sh", "-c", 'ulimit -v 700000; exec "$@"', "sh", *words],
        cwd=ROOT,
        env=os.environ | {"BENTOML_HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stdout) == (1, "")
    assert "Expected at least 1,024,000,000 bytes of memory, got 716,800,000" in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_store_on_a_full_disk_is_one_line_and_nothing_is_left(
    home: Path, credit_model: bentoml.Model, tmp_path: Path
) -> None:
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("only root on Linux can mount a small disk")
    booster = Path(credit_model.path) / "booster.ubj"
    script = (
        'mount -t tmpfs -o size=64k none "$0" || exit 77; mkdir "$0/home"; '
        'export BENTOML_HOME="$0/home"; "$@"; code=$?; find "$0"/home/*/ -type f; '
        "exit $code"
    )
    small = tmp_path / "small"
    small.mkdir()
    save = (
        "import sys; from bentoml_ext.internals.store import create_model\n"
        "try:\n"
        "    with create_model('full', framework_versions={}, module='bentoml_ext', "
        "api_version='v1', signatures={}) as model:\n"
        "        open(model.path_of('booster.ubj'), 'wb').write(open(sys.argv[1], 'rb').read())\n"
        "except OSError as error: print(error.strerror, error.filename)\n"
    )
    command = ["unshare", "--mount", "sh", "-c", script, str(small), sys.executable, "-c", save]
    done = subprocess.run([*command, str(booster)], capture_output=True, text=True, check=False)
    if done.returncode == 77 or "unshare" in done.stderr:
        pytest.skip("this machine mounts nothing")

    (line,) = done.stdout.splitlines()
    assert line.startswith(f"No space left on device {small}/home/tmp/bentoml_ext-")
    assert line.endswith("booster.ubj")


EACH = """
import json, sys
from click.testing import CliRunner
from bentoml_cli.cli import cli
for words in json.loads(sys.argv[1]):
    ended = CliRunner().invoke(cli, words, prog_name="bentoml")
    raised = not isinstance(ended.exception, SystemExit) and ended.exception
    print(json.dumps([ended.exit_code, ended.output, repr(raised or "")]))
"""
"""Commands of `bentoml` one after the other in one process: each would take 2 s to start."""


def each(home: Path, prefix: list[str], *commands: list[str]) -> list[tuple[int, str, str]]:
    """Exit code, output and what is no line of each command."""
    environ = {**os.environ, "BENTOML_HOME": str(home), "HOME": "/nonexistent", "NO_COLOR": "1"}
    environ |= {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": str(ROOT)}
    command = [*prefix, sys.executable, "-c", EACH, json.dumps(commands)]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=True)
    # A build says more.
    return [tuple(json.loads(line)) for line in done.stdout.splitlines() if line.startswith("[")]


def test_a_limit_of_a_files_size_is_one_line_with_path_and_remedy(
    own_home: Path, credit_model: bentoml.Model, application: Path, tmp_path: Path
) -> None:
    limited = ["sh", "-c", 'ulimit -f 4; exec "$@"', "sh"]
    remedy = "Raise this process's limit: `ulimit -f unlimited`."
    before = sorted(own_home.rglob("*"))
    commands = [["ext", "verify", TAG], ["ext", "export", TAG, "-o", str(tmp_path / "x.onnx")]]
    commands += [["ext", "migrate", TAG], ["build", str(ROOT)]]

    for command, (code, told, raised) in zip(
        commands, each(own_home, limited, *commands), strict=True
    ):
        last = told.splitlines()[-1]
        assert (code, raised) == (1, "''"), (command, told)
        assert re.fullmatch(rf"Error: File too large: /.+\. {re.escape(remedy)}", last), last
    assert not [path for path in own_home.rglob("*") if path.is_file() and path not in before]
    assert not (tmp_path / "x.onnx").exists()


def test_a_read_only_home_without_its_folders_is_read_and_what_writes_is_one_line(
    own_home: Path, application: Path, mine: list[str]
) -> None:
    answers = str(application.parent / "own" / "answers.csv")
    reading = [
        ["models", "list"],
        ["ext", "inspect", TAG],
        ["ext", "score", TAG, str(application), "-o", answers],
    ]

    *read, (code, told, raised) = each(own_home, mine, *reading, ["build", str(ROOT)])

    assert [code for code, *_ in read] == [0, 0, 0]
    assert [path.name for path in own_home.iterdir()] == ["models"]
    assert (code, raised) == (1, "''"), told
    assert f": {own_home / 'tmp'}" in told.splitlines()[-1]


def test_a_home_that_cannot_be_made_is_one_line(tmp_path: Path, mine: list[str]) -> None:
    home = tmp_path / "locked" / "home"
    home.parent.mkdir(mode=0o755)
    verbs = [["serve", str(ROOT)], ["build", str(ROOT)], ["models", "list"]]
    verbs += [["ext", verb, TAG] for verb in ("inspect", "verify")]
    verbs += [["ext", "score", TAG, "-", "-o", "-"]]

    for verb, (code, told, raised) in zip(verbs, each(home, mine, *verbs), strict=True):
        assert (code, raised, told.count("\n")) == (1, "''", 1), (verb, told)
        assert f"Expected a folder, got Permission denied - at {home}. Make it" in told


def test_training_finds_that_it_cannot_store_before_it_trains(
    own_home: Path, mine: list[str]
) -> None:
    command = [*mine, sys.executable, "-m", "models.train"]
    environ = {**os.environ, "BENTOML_HOME": str(own_home), "PYTHONDONTWRITEBYTECODE": "1"}

    done = subprocess.run(
        command, cwd=ROOT, env=environ, capture_output=True, text=True, check=False
    )

    told = f"Error: Permission denied: {own_home / 'tmp'}\n"
    assert (done.returncode, done.stdout, done.stderr) == (1, "", told)


def test_a_read_only_home_without_its_folders_is_served(own_home: Path, mine: list[str]) -> None:
    # The log of the server lies in the folder that is handed over.
    log_home = own_home.parent / "own"
    serving = [*mine, sys.executable, "-m", "bentoml", "serve", ".", "--host", "127.0.0.1"]
    environ = {"BENTOML_HOME": str(own_home), "PYTHONDONTWRITEBYTECODE": "1"}
    command = ["env", *(f"{name}={value}" for name, value in environ.items()), *serving]

    with started(command, "--port=", log_home, ROOT, Server.wait) as server:
        answer = server.client.post("/classify", json=EXAMPLE)

    assert answer.status_code == 200
    assert [path.name for path in own_home.iterdir()] == ["models"]
