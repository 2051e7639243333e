"""Promote, rollback, history, releases: a name moves by what is shown, or stays where it is."""

from __future__ import annotations

import os
import pwd
import shutil
from pathlib import Path

import bentoml
import pytest

from bentoml_ext.backends.onnx_runtime import OnnxRuntimeBackend
from bentoml_ext.releases.moving import entry_of
from bentoml_ext.store.bundle import GRAPH
from bentoml_ext.store.history import Entry, History
from tests.support.commands import ext_command

MODEL = "releases_test"

pytestmark = pytest.mark.usefixtures("versions")


@pytest.fixture(autouse=True)
def quick_proofs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bentoml_ext.releases.evidence.RANDOM_ROWS", 1_000)


def done(*words: str | Path) -> str:
    """The output of a command that ends well."""
    ended = ext_command(*words)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def refused(*words: str | Path) -> str:
    """The one line of a command that ends with 1."""
    ended = ext_command(*words)
    assert ended.returncode == 1, ended.stdout
    assert ended.stderr.count("\n") == 1
    return ended.stderr


def given(*numbers: int, alias: str = "champion", model: str = MODEL) -> None:
    """Versions that a name has meant, without a proof: those before the promotion at hand."""
    for number in numbers:
        history, stored = History.read(model), bentoml.models.get(f"{model}:v{number}")
        history.append(entry_of("promote", alias, stored, history.now(alias)))


def put_in_place_of(old: bentoml.Model, new: bentoml.Model, version: str) -> None:
    """A copy of a version beside another one, as if it had been stored under that version."""
    folder = Path(old.path).with_name(version)
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(new.path, folder)
    description = folder / "model.yaml"
    said = description.read_text()
    description.write_text(said.replace(f"version: {new.tag.version}", f"version: {version}"))


def champion() -> Entry:
    found = History.read(MODEL).now("champion")
    assert found is not None
    return found


def test_a_promoted_version_is_found_by_its_name_in_every_command(
    data: Path, tmp_path: Path
) -> None:
    done("promote", f"{MODEL}:v1", "--why", "first")

    assert f"Bundle {MODEL}:v1" in " ".join(done("inspect", f"{MODEL}@champion").split())
    assert "Every bit is equal" in done("verify", f"{MODEL}@champion", "--rows", "100")
    done("export", f"{MODEL}@Champion", "-o", tmp_path / "graph.onnx")
    done("score", f"{MODEL}@champion", data, "-o", tmp_path / "scored.csv")
    assert f"{MODEL}:v1" in (tmp_path / "scored.csv").read_text().splitlines()[1]
    assert "change" in done("compare", f"{MODEL}@champion", "--with", f"{MODEL}:v2", "--data", data)


def test_the_history_says_who_when_why_and_by_what_proof() -> None:
    given(1)
    printed = done("promote", f"{MODEL}:v2", "--why", "better")

    entry, user = champion(), pwd.getpwuid(os.getuid()).pw_name
    assert (entry.verb, entry.version, entry.was) == ("promote", f"{MODEL}:v2", f"{MODEL}:v1")
    assert entry.who == f"{user}@{os.uname().nodename}"
    assert entry.why == "better"
    assert "are equal, made with XGBoost" in entry.proof
    assert entry.proof in printed
    shown = done("history", MODEL)
    assert entry.at in shown
    assert entry.why in shown
    assert done("history", MODEL, "--seal", History.read(MODEL).seals[0])
    assert "Expected an entry of seal ab" in refused("history", MODEL, "--seal", "ab")


def test_a_rollback_goes_back_and_another_goes_further() -> None:
    given(1, 2, 3)

    assert f"is {MODEL}:v2, after {MODEL}:v3" in done("rollback", "--dry-run").replace(
        "would be", "is"
    )
    assert champion().version == f"{MODEL}:v3"
    for name, version in ((MODEL, "v2"), (f"{MODEL}@champion", "v1")):
        done("rollback", name, "--why", "oops")
        assert champion().version == f"{MODEL}:{version}"
        assert champion().verb == "rollback"
    assert "Expected a version before" in refused("rollback", "champion")


def test_names_are_apart() -> None:
    given(1)
    given(2, alias="challenger")
    done("promote", f"{MODEL}@challenger")

    assert champion().version == f"{MODEL}:v2"
    done("rollback", "champion")
    listed = done("releases")
    assert [line.split()[:2] for line in listed.splitlines()[1:]] == [
        [f"{MODEL}@challenger", f"{MODEL}:v2"],
        [f"{MODEL}@champion", f"{MODEL}:v1"],
    ]
    assert "challenger" not in done("history", f"{MODEL}@champion")


def test_the_same_version_again_writes_nothing() -> None:
    given(1)

    assert "is releases_test:v1 already" in done("promote", f"{MODEL}:v1")
    assert len(History.read(MODEL).entries) == 1


def test_gates_are_judged_against_the_champion(data: Path, tmp_path: Path) -> None:
    gates = tmp_path / "gates.toml"
    gates.write_text("[gini]\nmin_absolute_change = -0.1\n[flips]\nmax = 0.9\n")
    trial = ("--gates", gates, "--data", data, "--outcome", "bad")

    assert "to compare with, got none" in refused("promote", f"{MODEL}:v1", *trial)
    given(1)
    assert "gini of" in refused("promote", f"{MODEL}:v3", *trial)
    assert champion().version == f"{MODEL}:v1"
    printed = done("promote", f"{MODEL}:v2", *trial, "--dry-run")
    assert "would be" in printed
    assert champion().version == f"{MODEL}:v1"
    done("promote", f"{MODEL}:v2", *trial)

    compared = champion().compared
    assert compared is not None
    assert (compared.champion, compared.data, compared.rows) == (f"{MODEL}:v1", "june.csv", 400)
    assert [gate.split()[0] for gate in compared.gates] == ["gini", "flips"]
    assert all(gate.endswith("holds.") for gate in compared.gates)


def test_no_option_is_ignored(data: Path) -> None:
    for words in (("--data", data), ("--outcome", "bad"), ("--from", "csv")):
        ended = ext_command("promote", f"{MODEL}:v1", *words)
        assert ended.returncode == 2
        assert f"{words[0]} is for --gates" in ended.stderr


def test_a_version_whose_proof_fails_is_refused(
    versions: list[bentoml.Model], monkeypatch: pytest.MonkeyPatch
) -> None:
    right = OnnxRuntimeBackend.margins
    given(1)
    monkeypatch.setattr(OnnxRuntimeBackend, "margins", lambda self, rows: right(self, rows) + 1)

    said = refused("promote", f"{MODEL}:v2")

    assert said.startswith("Error: Expected")
    assert said.endswith("Nothing was promoted.\n")
    assert champion().version == f"{MODEL}:v1"


def test_a_version_with_a_changed_file_is_refused(versions: list[bentoml.Model]) -> None:
    graph = Path(versions[1].path) / GRAPH
    graph.write_bytes(graph.read_bytes() + b"\0")

    assert GRAPH in refused("promote", f"{MODEL}:v2")
    assert History.read(MODEL).entries == ()


def test_a_deleted_version_is_said_and_never_another_one(versions: list[bentoml.Model]) -> None:
    given(1, 2)
    # BentoML takes the beginning of a version for the whole of it.
    put_in_place_of(versions[1], versions[2], "v2b")
    bentoml.models.delete(f"{MODEL}:v2")

    for words in (("inspect", f"{MODEL}@champion"), ("promote", f"{MODEL}@champion")):
        said = refused(*words)
        assert "got a deleted version" in said
        assert f"`bentoml ext rollback {MODEL}@champion`" in said
    ended = ext_command("releases")
    assert ended.returncode == 1
    assert "wrong" in ended.stdout
    assert "got a deleted version" in " ".join(ended.stdout.split())
    done("rollback")
    assert champion().version == f"{MODEL}:v1"
    done("releases")


def test_a_rollback_to_a_deleted_version_is_refused() -> None:
    given(1, 2)
    bentoml.models.delete(f"{MODEL}:v1")

    assert f"Expected {MODEL}:v1, which was promoted" in refused("rollback")
    assert champion().version == f"{MODEL}:v2"


def test_other_files_under_the_tag_of_a_promoted_version_are_refused(
    versions: list[bentoml.Model],
) -> None:
    given(2)
    put_in_place_of(versions[1], versions[2], "v2")

    assert "got other files" in refused("inspect", f"{MODEL}@champion")
    assert ext_command("releases").returncode == 1


def test_a_broken_history_stops_every_use_and_the_entry_is_named() -> None:
    given(1, 2)
    path = History.read(MODEL).path
    path.write_text(path.read_text().replace(f"{MODEL}:v1", f"{MODEL}:v3", 1))

    for words in (["inspect", f"{MODEL}@champion"], ["promote", f"{MODEL}:v3"], ["rollback"]):
        assert "Expected entry 1 as it was sealed, got a changed one" in refused(*words)
    ended = ext_command("history", MODEL)
    assert ended.returncode == 1
    assert "Expected entry 1 as it was sealed" in ended.stderr
    assert ext_command("releases").returncode == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("promote", f"{MODEL}:v1", "--as", "latest"), "BentoML's own name of the newest version"),
        (("inspect", f"{MODEL}@latest"), f"write {MODEL}:latest"),
        (("promote", f"{MODEL}:v1", "--as", "a b"), "Expected MODEL@NAME in letters"),
        (("promote", f"{MODEL}:v9"), "got only the versions v1, v2, v3"),
        (("inspect", f"{MODEL}@champion"), f"`bentoml ext promote {MODEL}:VERSION --as champion`"),
        (("inspect", "@champion"), "Expected MODEL@NAME"),
        (("rollback",), "Expected a promoted version, got none"),
        (("history", MODEL), "Expected a promoted version, got none"),
    ],
)
def test_a_wrong_word_is_one_line(words: tuple[str, ...], said: str) -> None:
    assert said in refused(*words)
    assert not (History.load(MODEL).path).exists()


def test_with_several_models_a_name_alone_is_asked_about(versions: list[bentoml.Model]) -> None:
    other = Path(versions[0].path).parent.with_name("another")
    shutil.copytree(Path(versions[0].path).parent, other)
    for number in (1, 2):
        description = other / f"v{number}" / "model.yaml"
        description.write_text(description.read_text().replace(f"name: {MODEL}", "name: another"))
    given(1, 2)
    given(1, 2, model="another")

    assert f"Expected MODEL@NAME of another, {MODEL}, got 'champion'" in refused("rollback")
    done("rollback", "another")
    assert champion().version == f"{MODEL}:v2"


def test_no_name_is_said_so() -> None:
    assert "No name" in done("releases")
