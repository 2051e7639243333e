"""Nothing of the user's leaves the machine: the libraries' usage reports are off.

ONNX Runtime keeps a device id and unsent reports in the user's cache folder; BentoML sends a report
before a command ends. Here both find an empty home, and a proxy that notes who wants to go out.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import closing
from importlib.metadata import version
from pathlib import Path
from typing import Any

import bentoml
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from packaging.version import Version

import bentoml_ext
from bentoml_ext.internals import telemetry
from models.fields import EXAMPLE, FIELDS
from models.synthetic import generate
from services.credit import CreditRiskClassifier
from tests.support.clusters import QUIET
from tests.support.commands import ROOT, bentoml_command, python_code
from tests.support.servers import serve

CI = (
    *("CI", "TF_BUILD", "GITHUB_ACTIONS", "GITLAB_CI", "CIRCLECI", "TRAVIS", "JENKINS_URL"),
    *("CODEBUILD_BUILD_ID", "BUILDKITE", "TEAMCITY_VERSION", "APPVEYOR", "BITBUCKET_BUILD_NUMBER"),
    *("SYSTEM_TEAMFOUNDATIONCOLLECTIONURI", "ORT_RUNNING_UNIT_TESTS"),
)
"""Where one of these is set, ONNX Runtime reports nothing of itself."""

OWN_CLOUD = ("http://169.254.169.254/", "http://metadata.google.internal/")

SESSION = """
import sys
from pathlib import Path
from bentoml_ext.store.bundle import Bundle
from bentoml_ext.scoring.opening import open_scorer
print(open_scorer(Bundle(Path(sys.argv[1])), "onnx").backend)
"""

LATE = """
from bentoml._internal.utils.analytics.usage_stats import do_not_track
told = do_not_track()
import bentoml_ext
print(told, do_not_track())
"""

reports = pytest.mark.skipif(
    Version(version("onnxruntime")) < Version("1.29"), reason="this ONNX Runtime has no reports"
)


class Outside:
    """A home, and a proxy that leads nowhere.

    Args:
        listener: where the proxy listens.
        home: HOME, empty.
    """

    def __init__(self, listener: socket.socket, home: Path) -> None:
        self.wanted: list[str] = []
        self._listener = listener
        self._home = home

    def variables(self) -> dict[str, str]:
        """Those of a user who has set nothing but a proxy."""
        proxy = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        names = ("http_proxy", "https_proxy", "all_proxy")
        proxies = dict.fromkeys((*names, *map(str.upper, names)), proxy)
        empty = ("XDG_CACHE_HOME", *CI, *telemetry.OFF)
        # The tests' own requests to their servers do not go out.
        near = {"NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}
        return {"HOME": str(self._home), **proxies, **near, **dict.fromkeys(empty, "")}

    @property
    def files(self) -> list[str]:
        """What lies in the home now."""
        return sorted(path.name for path in self._home.rglob("*") if path.is_file())

    def listen(self) -> None:
        """Note the first line of whoever connects, and hang up."""
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with closing(connection):
                self.wanted.append(connection.recv(1000).split(b"\r\n")[0].decode())


@pytest.fixture
def outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Outside]:
    """Where the processes of a test find themselves."""
    (tmp_path / "empty").mkdir()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        found = Outside(listener, tmp_path / "empty")
        for name, value in found.variables().items():
            monkeypatch.setenv(name, value)
        thread = threading.Thread(target=found.listen)
        thread.start()
        try:
            yield found
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def test_a_library_call_opens_a_session_and_leaves_no_trace(
    outside: Outside, home: Path, credit_model: bentoml.Model
) -> None:
    ended = python_code(SESSION, home, credit_model.path)

    assert ended.stdout == "onnx\n", ended.stderr
    assert (outside.files, outside.wanted) == ([], [])


@reports
def test_a_user_who_asks_for_reports_gets_them(
    outside: Outside, home: Path, credit_model: bentoml.Model
) -> None:
    ended = python_code(SESSION, home, credit_model.path, ORT_DISABLE_TELEMETRY="0")

    assert ended.stdout == "onnx\n", ended.stderr
    assert "deviceid" in outside.files


@pytest.mark.parametrize("value", ["", "False"])
def test_a_command_reports_only_where_the_user_asks_for_it(
    outside: Outside, home: Path, value: str
) -> None:
    ended = bentoml_command(home, "list", BENTOML_DO_NOT_TRACK=value)

    assert ended.returncode == 0, ended.stderr
    assert outside.wanted == (["CONNECT t.bentoml.com:443 HTTP/1.1"] if value else [])


@pytest.mark.parametrize("backend", ["onnx", "auto"])
def test_a_server_leaves_no_trace(outside: Outside, own_home: Path, backend: str) -> None:
    with serve(own_home, BACKEND=backend) as server:
        assert server.client.post("/classify", json=EXAMPLE).status_code == 200

    assert (outside.files, outside.wanted) == ([], [])


def test_a_library_that_came_first_stops_where_it_is(outside: Outside, home: Path) -> None:
    ended = python_code(LATE, home)

    assert ended.stdout == "False True\n", ended.stderr


def test_a_value_that_the_user_chose_stays(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = {name: f"chosen {value}" for name, value in telemetry.OFF.items()}
    for name, value in chosen.items():
        monkeypatch.setenv(name, value)
    code = "import os, bentoml_ext\nfrom bentoml_ext.internals.telemetry import OFF\n"
    code += "print(*map(os.environ.get, OFF), sep='\\n')"

    ended = python_code(code, home)

    assert ended.stdout.splitlines() == list(chosen.values())


def test_the_image_of_a_bento_carries_the_switches() -> None:
    made: Any = CreditRiskClassifier
    own = bentoml_ext.service(envs=[{"name": "ORT_DISABLE_TELEMETRY", "value": "0"}])

    class Loud(bentoml_ext.Classifier, model="credit_risk_model", fields=FIELDS):
        """A service whose author wants ONNX Runtime's reports."""

    quiet = {(env.name, env.value) for env in made.envs}
    loud = {(env.name, env.value) for env in own(Loud).envs}
    assert quiet >= telemetry.OFF.items()
    assert loud == {*telemetry.OFF.items(), ("ORT_DISABLE_TELEMETRY", "0")} - {
        ("ORT_DISABLE_TELEMETRY", "1")
    }


@pytest.mark.slow
def test_workers_of_ray_leave_no_trace(
    outside: Outside, home: Path, credit_model: bentoml.Model, tmp_path: Path
) -> None:
    fields = bentoml_ext.load_bundle(credit_model).encoder.fields
    table = pa.Table.from_batches([generate(1000, fields=fields).to_arrow()])
    pq.write_table(table, tmp_path / "in.parquet")
    line = ["ext", "score", str(credit_model.tag), tmp_path / "in.parquet"]
    line += ["-o", tmp_path / "out", "--engine", "ray", "--backend", "onnx"]

    ended = bentoml_command(home, *map(str, line), cwd=ROOT, **QUIET)

    assert ended.returncode == 0, ended.stderr
    # Ray asks the machine's own cloud, at addresses that no router passes on, what it runs on.
    gone = [line for line in outside.wanted if not any(place in line for place in OWN_CLOUD)]
    assert (outside.files, gone) == ([], [])
