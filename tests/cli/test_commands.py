"""The commands under `bentoml ext`: what they print, what they write, and how they refuse."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import bentoml
import onnx
import pytest
from click.testing import CliRunner, Result

import bentoml_ext
from bentoml_ext.backends.onnx_session import session
from bentoml_ext.cli import ext
from bentoml_ext.encoders.encoder import Encoder
from bentoml_ext.scoring.opening import open_backend
from bentoml_ext.store.bundle import Bundle
from tests.support import small
from tests.support.commands import (
    LIMIT_S,
    bentoml_command,
    environment,
    ext_command,
    python_code,
)
from tests.support.servers import serve

NEW_MODULES = """
import sys
import click, bentoml, bentoml_cli.utils
before = set(sys.modules)
import bentoml_ext.cli
print(sorted(set(sys.modules) - before))
"""


@pytest.fixture(scope="module")
def stored() -> bentoml.Model:
    return bentoml_ext.save_model(
        "cli_test",
        small.booster(),
        encoder=small.encoder(),
        labels={"team": "risk", "note": "[red]x[/red] :smile:"},
        metadata={"auc": 0.8},
    )


def called(*arguments: str | Path) -> Result:
    """`bentoml ext ARGUMENTS` in this process, which is a second faster than in one of its own."""
    return CliRunner().invoke(ext, list(map(str, arguments)), prog_name="bentoml ext")


def refusal(ended: subprocess.CompletedProcess[str] | Result) -> str:
    """The one line of a command that refused."""
    code = ended.exit_code if isinstance(ended, Result) else ended.returncode
    assert code == 1, ended.stdout + ended.stderr
    assert ended.stdout == ""
    assert ended.stderr.startswith("Error: ")
    assert ended.stderr.count("\n") == 1, ended.stderr
    return ended.stderr.removeprefix("Error: ").rstrip()


def test_importing_the_commands_imports_nothing_heavy(home: Path) -> None:
    # BentoML imports this module on every call: the bound is 10 ms beyond click.
    printed = python_code(NEW_MODULES, home)

    verbs = "compare export history import_ inspect migrate options promote releases rollback"
    ours = ["bentoml_ext", "bentoml_ext.cli"]
    ours += [f"bentoml_ext.cli.{verb}" for verb in (*verbs.split(), "score", "verify")]
    ours += ["bentoml_ext.internals", "bentoml_ext.internals.telemetry"]
    assert printed.stdout == f"{ours}\n", printed.stderr


def test_bentoml_lists_our_group_and_the_group_its_commands(home: Path) -> None:
    assert "ext " in bentoml_command(home, "--help").stdout

    shown = bentoml_command(home, "ext", "--help").stdout
    assert [name for name in ("export", "import", "inspect") if f"  {name} " in shown] == [
        "export",
        "import",
        "inspect",
    ]


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("export", ["TAG", "--output", "NAME-VERSION.onnx", "--one-thread"]),
        ("import", ["SOURCE", "--name", "--features", "--null", "--absent", "[required]"]),
        ("inspect", ["TAG", "checksums"]),
    ],
)
def test_every_command_has_help(command: str, words: list[str]) -> None:
    shown = ext_command(command, "--help")

    assert shown.returncode == 0
    # click breaks a line at a hyphen, too.
    text = "".join(shown.stdout.split())
    assert [word for word in words if word not in text] == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["export"], "Missing argument 'TAG'"),
        (["import", "x"], "Missing option '--name'"),
        (["import", "x", "--name", "y", "--null", "none"], "'none' is not one of"),
        (["import", "x", "--name", "y", "--features", "no/such"], "does not exist"),
        (["inspect", "a", "b"], "unexpected extra argument"),
        (["export", "x", "-o", "."], "is a directory"),
        (["export", "x", "-o", "x.ubj"], "Expected a name that ends in .onnx, got 'x.ubj'"),
        (["export", "x", "--with-encoder", "--one-thread"], "--one-thread is for"),
        (["verify-nothing"], "No such command"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_usage_is_exit_code_2(arguments: list[str], message: str) -> None:
    ended = called(*arguments)

    assert ended.exit_code == 2
    assert message in ended.stderr


@pytest.mark.parametrize("command", [["export"], ["inspect"], ["import", "--name", "x"]])
@pytest.mark.parametrize(
    ("tag", "message"),
    [
        ("cli_nothing:latest", "cli_nothing"),
        ("cli_test:nothing", "cli_test:nothing"),
        ("a b", "Expected NAME or NAME:VERSION"),
        ("a:b:c", "Expected NAME or NAME:VERSION"),
    ],
)
def test_a_tag_that_is_none_is_one_line(
    stored: bentoml.Model, command: list[str], tag: str, message: str
) -> None:
    assert message in refusal(called(*command, tag))


@pytest.mark.parametrize("name", ["a b", "cli_made:latest", "x:y:z", ""])
def test_a_new_name_that_is_none_is_one_line(tmp_path: Path, name: str) -> None:
    small.booster().save_model(tmp_path / "model.ubj")
    (tmp_path / "features.txt").write_text("\n".join(small.FEATURES))
    features = ("--features", tmp_path / "features.txt", "--absent", "zero", "--null", "missing")

    ended = called("import", tmp_path / "model.ubj", *features, "--name", name)

    assert "Expected NAME or NAME:VERSION" in refusal(ended)


def test_export_writes_a_file_that_is_exact_as_anybody_runs_it(
    home: Path, stored: bentoml.Model, tmp_path: Path
) -> None:
    output = tmp_path / "out.onnx"

    ended = bentoml_command(home, "ext", "export", str(stored.tag), "-o", output)

    assert ended.returncode == 0, ended.stderr
    told = {one.key: one.value for one in onnx.load(output).metadata_props}
    assert told["bentoml_ext.model"] == str(stored.tag)
    assert json.loads(told["bentoml_ext.features"]) == list(small.FEATURES)
    for threads in (0, 2, 4):
        running = session(output.read_bytes(), threads)
        for n in (1, 50, 51, 1_000):
            rows = small.rows(n, seed=n)
            expected = small.booster().inplace_predict(rows, predict_type="margin")
            (margins,) = running.run(["margin"], {"rows": rows})
            small.assert_same_bits(expected=expected, got=margins[:, 0])


def test_export_says_what_it_wrote_and_checked(stored: bentoml.Model, tmp_path: Path) -> None:
    output = tmp_path / "out.onnx"

    ended = called("export", str(stored.tag), "-o", output)

    sha256 = hashlib.sha256(output.read_bytes()).hexdigest()
    assert f"Wrote {output}: {output.stat().st_size:,} bytes, sha256 {sha256}" in ended.stdout
    assert f"Checked for {stored.tag}: 12 trees, 4 features, binary:logistic;" in ended.stdout
    assert "bit for bit on 1, 2 and 4 threads" in ended.stdout
    assert "It needs no setting" in ended.stdout


def test_export_for_one_thread_writes_the_stored_graph_and_says_what_to_set(
    stored: bentoml.Model, tmp_path: Path
) -> None:
    output = tmp_path / "out.onnx"

    ended = called("export", str(stored.tag), "--one-thread", "-o", output)

    assert output.read_bytes() == bentoml_ext.load_bundle(stored).file("graph.onnx")
    assert "12 trees, 4 features, binary:logistic" in ended.stdout
    assert "Set intra_op_num_threads = 1 where it runs" in ended.stdout


@pytest.mark.parametrize("how", ["--one-thread", "--with-encoder", None])
def test_export_to_standard_output_writes_the_file_and_nothing_else(
    stored: bentoml.Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str | None
) -> None:
    monkeypatch.chdir(tmp_path)
    ended = called("export", str(stored.tag), "-o", "-", *([how] if how else []))

    onnx.checker.check_model(onnx.load_from_string(ended.stdout_bytes))
    assert "Wrote to standard output: " in ended.stderr
    assert list(tmp_path.iterdir()) == []


def test_export_names_the_file_after_the_version(stored: bentoml.Model, tmp_path: Path) -> None:
    ended = ext_command("export", "cli_test:latest", cwd=tmp_path)

    assert ended.returncode == 0, ended.stderr
    assert [path.name for path in tmp_path.iterdir()] == [f"cli_test-{stored.tag.version}.onnx"]


def test_export_into_a_missing_folder_is_one_line(stored: bentoml.Model, tmp_path: Path) -> None:
    output = tmp_path / "no" / "such" / "out.onnx"

    ended = ext_command("export", str(stored.tag), "-o", output)

    assert refusal(ended) == f"No such file or directory: {output}"
    assert list(tmp_path.iterdir()) == []


def test_a_refused_export_leaves_the_file_that_was_there(tmp_path: Path) -> None:
    cut = bentoml_ext.save_model("cli_cut", small.booster(), encoder=small.encoder())
    graph = Path(cut.path) / "graph.onnx"
    graph.write_bytes(graph.read_bytes()[:-1])
    output = tmp_path / "out.onnx"
    output.write_bytes(b"the last good one")

    ended = ext_command("export", str(cut.tag), "-o", output)

    assert str(graph) in refusal(ended)
    assert output.read_bytes() == b"the last good one"
    assert [path.name for path in tmp_path.iterdir()] == ["out.onnx"]


def test_inspect_shows_sizes_checksums_versions_objective_trees_and_fields(
    home: Path, stored: bentoml.Model
) -> None:
    manifest = bentoml_ext.load_bundle(stored).manifest

    ended = ext_command("inspect", "cli_test:latest")

    assert ended.returncode == 0, ended.stderr
    lines = [line.split() for line in ended.stdout.splitlines()]
    for name, entry in manifest.files.items():
        assert [name, f"{entry.size_bytes:,}", entry.sha256] in lines
    assert ["objective", "binary:logistic"] in lines
    assert ["trees", "12"] in lines
    assert ["features", "4"] in lines
    versions = next(line for line in ended.stdout.splitlines() if line.startswith("versions"))
    assert all(f"{name} {number}" in versions for name, number in manifest.versions.items())
    assert ["home", "2", "one", "of", "'owner',", "'rent'"] in lines
    assert "DECLINED above 0.5, MAYBE above 0.3, otherwise APPROVED" in ended.stdout
    assert str(stored.tag) in ended.stdout
    assert "auc=0.8" in ended.stdout


def test_inspect_shows_the_users_words_as_they_are(stored: bentoml.Model) -> None:
    ended = ext_command("inspect", "cli_test:latest", COLUMNS="40")

    assert "team=risk" in ended.stdout
    assert "note=[red]x[/red] :smile:" in ended.stdout


def test_inspect_refuses_a_model_of_another_framework_and_says_what_to_do() -> None:
    other = bentoml.xgboost.save_model("cli_other", small.booster())

    line = refusal(ext_command("inspect", str(other.tag)))

    assert f"`bentoml ext import {other.tag} --name NAME`" in line


@pytest.mark.parametrize("listed", [True, False], ids=["JSON list", "text lines"])
@pytest.mark.parametrize("suffix", ["ubj", "json"])
def test_import_of_a_booster_file_stores_a_bundle(
    tmp_path: Path, suffix: str, listed: bool
) -> None:
    model, features = tmp_path / f"model.{suffix}", tmp_path / "features"
    small.booster().save_model(model)
    names = list(small.FEATURES)
    features.write_text(json.dumps(names) if listed else "\n".join(names))

    ended = ext_command(
        "import",
        model,
        "--features",
        features,
        "--absent",
        "zero",
        "--null",
        "missing",
        "--name",
        f"cli_{suffix}:v{listed}",
    )

    assert ended.returncode == 0, ended.stderr
    assert f"Imported {model} as cli_{suffix}:v{str(listed).lower()}: 12 trees" in ended.stdout
    found = bentoml_ext.load_bundle(f"cli_{suffix}:v{str(listed).lower()}")
    rows = small.rows(50)
    for backend in ("onnx", "xgboost"):
        small.assert_same_bits(
            expected=small.booster().inplace_predict(rows, predict_type="margin")[:, None],
            got=open_backend(found, backend).margins(rows),
        )
    assert (found.encoder.absent, found.encoder.null) == ("zero", "missing")


def test_import_tells_how_to_serve_the_model(home: Path, tmp_path: Path) -> None:
    model, features = tmp_path / "model.ubj", tmp_path / "features"
    small.booster().save_model(model)
    features.write_text("\n".join(small.FEATURES))
    ended = ext_command(
        "import",
        model,
        "--features",
        features,
        "--absent",
        "zero",
        "--null",
        "missing",
        "--name",
        "told-a.b",
    )
    _, told = ended.stdout.split("`bentoml serve service:svc`, where service.py holds:\n")
    (tmp_path / "service.py").write_text(dedent(told))

    with serve(home, "service:svc", cwd=tmp_path) as server:
        assert server.client.get("/model").json()["tag"].startswith("told-a.b:")


def test_import_with_a_wrong_number_of_features_is_one_line(tmp_path: Path) -> None:
    model, features = tmp_path / "model.ubj", tmp_path / "features"
    small.booster().save_model(model)
    features.write_text("age\nincome\n")

    ended = ext_command("import", model, "--features", features, "--name", "cli_refused")

    assert refusal(ended).startswith("Expected 4 features for this booster, got 2")


def test_import_of_a_cut_file_is_one_line(home: Path, tmp_path: Path) -> None:
    model, features = tmp_path / "model.ubj", tmp_path / "features"
    small.booster().save_model(model)
    model.write_bytes(model.read_bytes()[:-9])
    features.write_text("\n".join(small.FEATURES))

    ended = bentoml_command(
        home, "ext", "import", model, "--features", features, "--name", "cli_refused"
    )

    assert refusal(ended).startswith("Expected a booster, got ")


def test_import_may_say_what_null_and_absence_mean(tmp_path: Path) -> None:
    model, features = tmp_path / "model.ubj", tmp_path / "features"
    small.booster().save_model(model)
    features.write_text("\n".join(small.FEATURES))

    ended = ext_command(
        *("import", model, "--features", features, "--name", "cli_fill:v1"),
        *("--null", "zero", "--absent", "missing", "--missing", "nan"),
    )

    assert ended.returncode == 0, ended.stderr
    encoder: Encoder = Bundle(Path(bentoml_ext.get("cli_fill:v1").path)).encoder
    assert (encoder.null, encoder.absent) == ("zero", "missing")


def test_a_closed_standard_output_is_one_line(stored: bentoml.Model) -> None:
    command = [sys.executable, "-m", "bentoml", "ext", "export", str(stored.tag), "-o", "-"]
    home = Path(stored.path).parents[2]

    ended = subprocess.run(
        ["sh", "-c", 'exec "$@" >&-', "sh", *command],
        capture_output=True,
        text=True,
        check=False,
        timeout=LIMIT_S,
        env=environment(home),
    )

    assert "Expected an open standard output, got a closed one - at -o -." in refusal(ended)
