"""A bundle is opened whole and unchanged, or refused by the name of the file that is wrong."""

from __future__ import annotations

import hashlib
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bentoml
import msgspec
import numpy as np
import pytest

import bentoml_ext
from bentoml_ext.decisions.policy import Band
from bentoml_ext.encoders.encoder import Encoder
from bentoml_ext.errors import BundleError
from bentoml_ext.proof.record import PROOF, Proof
from bentoml_ext.proof.stored_rows import PROOF_ROWS, ProofRows
from bentoml_ext.scoring.opening import open_backend
from bentoml_ext.store.bundle import (
    BOOSTER,
    ENCODER,
    GRAPH,
    MANIFEST,
    POLICY,
    Bundle,
    FileEntry,
    Manifest,
)
from tests.support import small
from tests.support.selftests import forged, proof_of, swapped

FILES = (BOOSTER, ENCODER, GRAPH, MANIFEST, POLICY, PROOF, PROOF_ROWS)


@pytest.fixture(scope="module")
def stored() -> bentoml.Model:
    return bentoml_ext.save_model("bundle_test", small.booster(), encoder=small.encoder())


@pytest.fixture(scope="module")
def other() -> bentoml.Model:
    # Another version whose every file differs from the first one's.
    return bentoml_ext.save_model(
        "bundle_test",
        small.booster(seed=1),
        encoder=Encoder(small.FEATURES, null="missing", missing=math.nan),
        policy=small.policy(bands=(Band(0.4, "NO"),), otherwise="YES"),
    )


@pytest.fixture
def folder(stored: bentoml.Model, tmp_path: Path) -> Path:
    return Path(shutil.copytree(stored.path, tmp_path / "bundle"))


def remade(folder: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    """Write the manifest anew after a change, with a checksum that is right again."""
    manifest = msgspec.json.decode((folder / MANIFEST).read_bytes())
    change(manifest)
    made = msgspec.convert(manifest, Manifest).sealed()
    (folder / MANIFEST).write_bytes(msgspec.json.encode(made))


def test_a_bundle_that_was_written_opens_as_it_was(tmp_path: Path) -> None:
    files = {
        BOOSTER: b"a booster",
        ENCODER: small.encoder().to_json(),
        POLICY: small.policy(bands=(Band(0.25, "NO"),), otherwise="YES").to_json(),
    }
    files[PROOF] = proof_of(files)
    manifest = Manifest(0, "binary:logistic", 4, 7, list(small.FEATURES), {}, {"numpy": "2.0"})

    Bundle.write(tmp_path, files, manifest)
    bundle = Bundle(tmp_path)

    assert {name: bundle.file(name) for name in files} == files
    assert bundle.encoder.features == small.FEATURES
    assert bundle.policy == small.policy(bands=(Band(0.25, "NO"),), otherwise="YES")
    assert (bundle.manifest.objective, bundle.manifest.n_trees) == ("binary:logistic", 7)
    assert bundle.manifest.versions == {"numpy": "2.0"}
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*files, MANIFEST])


def test_a_stored_bundle_has_an_entry_for_every_file_but_the_manifest(folder: Path) -> None:
    manifest = Bundle(folder).manifest

    assert sorted(manifest.files) == sorted(
        path.name for path in folder.iterdir() if path.name not in (MANIFEST, "model.yaml")
    )
    for name, entry in manifest.files.items():
        assert entry == FileEntry.of((folder / name).read_bytes())


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("part", [0.0, 0.5, 0.99])
def test_a_truncated_file_is_refused_by_name(folder: Path, name: str, part: float) -> None:
    data = (folder / name).read_bytes()
    (folder / name).write_bytes(data[: int(len(data) * part)])

    with pytest.raises(BundleError, match=name):
        Bundle(folder)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("part", [0.0, 0.3, 0.7, 1.0])
def test_a_file_with_one_bit_flipped_is_refused_by_name(
    folder: Path, name: str, part: float
) -> None:
    data = bytearray((folder / name).read_bytes())
    data[int((len(data) - 1) * part)] ^= 1
    (folder / name).write_bytes(data)

    with pytest.raises(BundleError, match=name):
        Bundle(folder)


def test_a_flipped_bit_anywhere_in_the_manifest_is_refused(folder: Path) -> None:
    # It is the one file that no manifest vouches for: it must vouch for itself.
    whole = (folder / MANIFEST).read_bytes()
    for position in range(len(whole)):
        changed = bytearray(whole)
        changed[position] ^= 1 << position % 8
        (folder / MANIFEST).write_bytes(changed)

        with pytest.raises(BundleError):
            Bundle(folder)


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_refused_by_name(folder: Path, name: str) -> None:
    (folder / name).unlink()

    with pytest.raises(BundleError, match=f"Expected {name}, got No such file"):
        Bundle(folder)


@pytest.mark.parametrize("name", [BOOSTER, ENCODER, GRAPH, POLICY])
def test_another_versions_file_is_refused_by_name(
    folder: Path, other: bentoml.Model, name: str
) -> None:
    shutil.copy(Path(other.path) / name, folder / name)

    with pytest.raises(BundleError, match=f"at .*{name}.*restore this version"):
        Bundle(folder)


def test_another_versions_manifest_is_refused(folder: Path, other: bentoml.Model) -> None:
    shutil.copy(Path(other.path) / MANIFEST, folder / MANIFEST)

    with pytest.raises(BundleError, match="with sha256"):
        Bundle(folder)


def test_a_file_that_changes_after_the_opening_is_refused(folder: Path) -> None:
    bundle = Bundle(folder)
    (folder / GRAPH).write_bytes(b"another graph")

    with pytest.raises(BundleError, match=GRAPH):
        bundle.file(GRAPH)


def test_a_manifest_of_another_format_says_what_to_install(folder: Path) -> None:
    (folder / MANIFEST).write_bytes(b'{"format": 7, "trees": "many"}')

    with pytest.raises(BundleError, match=r"format 2 or 3, got 7 - at .*manifest\.json.*Install"):
        Bundle(folder)


@pytest.mark.parametrize("number", [1, 4])
def test_a_whole_bundle_of_another_format_is_refused(folder: Path, number: int) -> None:
    remade(folder, lambda manifest: manifest.update(format=number))

    with pytest.raises(BundleError, match=f"Expected bundle format 2 or 3, got {number} - at"):
        Bundle(folder)


@pytest.mark.parametrize(
    "data", [b"", b"[]", b"{}", b"\xff", b'{"format": 1}', b'{"format": "1"}'], ids=repr
)
def test_what_is_no_manifest_is_refused(folder: Path, data: bytes) -> None:
    (folder / MANIFEST).write_bytes(data)

    with pytest.raises(BundleError, match=r"at .*manifest\.json"):
        Bundle(folder)


@pytest.mark.parametrize(
    "name", ["../x", "/x", "a/b", "..", ".", "", "a\0b", "sub/../../x", MANIFEST], ids=repr
)
def test_a_manifest_that_leads_out_of_its_folder_is_refused(folder: Path, name: str) -> None:
    # A file that is there and fits its entry: only its name is wrong.
    (folder.parent / "x").write_bytes(b"outside")
    entry = msgspec.to_builtins(FileEntry.of(b"outside"))
    remade(folder, lambda manifest: manifest["files"].update({name: entry}))

    with pytest.raises(BundleError, match=r"Expected a file name.*manifest\.json"):
        Bundle(folder)


@pytest.mark.parametrize("name", [ENCODER, POLICY])
def test_a_file_that_the_manifest_does_not_vouch_for_is_not_read(folder: Path, name: str) -> None:
    remade(folder, lambda manifest: manifest["files"].pop(name))

    with pytest.raises(BundleError, match=f"Expected {name}, got no such file - at .*{MANIFEST}"):
        Bundle(folder)


@pytest.mark.parametrize(
    "change",
    [{"features": ["income", *small.FEATURES[:3]]}, {"features": ["age"]}, {"n_features": 5}],
    ids=str,
)
def test_features_that_are_not_the_encoders_are_refused(
    folder: Path, change: dict[str, Any]
) -> None:
    remade(folder, lambda manifest: manifest.update(change))

    with pytest.raises(BundleError, match=r"features.* - at .*encoder\.json"):
        Bundle(folder)


@pytest.mark.parametrize(
    ("name", "data"),
    [
        (ENCODER, b"{}"),
        (
            ENCODER,
            b'{"features":["a","a"],"fields":[],"separator":"=","absent":"zero","null":"zero"}',
        ),
        (POLICY, b"[]"),
        (POLICY, b'{"bands": [{"above": 2, "answer": "NO"}]}'),
        (POLICY, b'{"bands": [{"above": 0.5, "answer": "APPROVED"}]}'),
    ],
)
def test_a_file_of_the_right_checksum_and_the_wrong_meaning_is_refused(
    folder: Path, name: str, data: bytes
) -> None:
    (folder / name).write_bytes(data)
    entry = msgspec.to_builtins(FileEntry.of(data))
    remade(folder, lambda manifest: manifest["files"].update({name: entry}))

    with pytest.raises(BundleError, match=name):
        Bundle(folder)


def test_a_folder_that_is_no_bundle_says_so(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="Is this model saved by bentoml_ext"):
        Bundle(tmp_path)


def test_a_bundle_without_a_backends_file_names_backend_and_file(
    folder: Path, tmp_path: Path
) -> None:
    whole = Bundle(folder)
    files = {name: whole.file(name) for name in (BOOSTER, ENCODER, POLICY)}
    files[PROOF] = proof_of(files)
    other = tmp_path / "other"
    other.mkdir()
    Bundle.write(other, files, whole.manifest)
    bundle = Bundle(other)

    with pytest.raises(BundleError, match=r"graph\.onnx for backend 'onnx', got none"):
        open_backend(bundle, "onnx")
    assert open_backend(bundle, "xgboost").margins(small.rows(3)).dtype == np.float32


def other_bytes(name: str, data: bytes) -> bytes:
    """Another file that opens as well as the first."""
    if name == POLICY:
        return small.policy(bands=(Band(0.9, "DECLINED"), Band(0.3, "MAYBE"))).to_json()
    if name == PROOF_ROWS:
        rows = ProofRows.from_npy(data)
        return ProofRows(rows.rows[:9], rows.margins[:9], None).to_npy()
    return data + b" "


@pytest.mark.parametrize("name", [BOOSTER, ENCODER, GRAPH, POLICY, PROOF_ROWS])
def test_a_file_that_was_not_proven_is_refused_whatever_the_manifest_says(
    folder: Path, name: str
) -> None:
    swapped(folder, name, other_bytes(name, (folder / name).read_bytes()))

    with pytest.raises(BundleError, match=f"sha256 of {name} as it was proven, .*got .*restore"):
        Bundle(folder)


def test_a_file_that_nobody_proved_is_refused(folder: Path) -> None:
    swapped(folder, "kernel.bin", b"one more form of the model")

    with pytest.raises(BundleError, match=r"kernel\.bin as it was proven, none, got"):
        Bundle(folder)


@pytest.mark.parametrize("name", [GRAPH, PROOF_ROWS])
def test_a_proven_file_that_is_left_out_is_refused(folder: Path, name: str) -> None:
    (folder / name).unlink()
    remade(folder, lambda manifest: manifest["files"].pop(name))

    with pytest.raises(BundleError, match=rf"sha256 of {name} as it was proven, \w+, got none"):
        Bundle(folder)


@pytest.mark.parametrize(
    "change",
    [{"objective": "reg:logistic"}, {"n_trees": 11}, {"versions": {"numpy": "1"}}],
    ids=str,
)
def test_facts_that_were_not_proven_are_refused(folder: Path, change: dict[str, Any]) -> None:
    remade(folder, lambda manifest: manifest.update(change))

    with pytest.raises(BundleError, match=f"Expected {next(iter(change))} as it was proven"):
        Bundle(folder)


def test_a_bundle_without_a_proof_is_refused(folder: Path) -> None:
    remade(folder, lambda manifest: manifest["files"].pop(PROOF))

    with pytest.raises(BundleError, match=r"Expected proof\.json, got no such file"):
        Bundle(folder)


def test_a_proof_that_does_not_hold_is_refused(folder: Path) -> None:
    proof = Bundle(folder).proof
    failed = msgspec.structs.replace(proof.parts[-1], equal=0)
    forged(folder, PROOF, msgspec.structs.replace(proof, parts=[failed]).to_json())

    with pytest.raises(BundleError, match="Expected a proof that holds"):
        Bundle(folder)


def test_a_version_whose_proof_does_not_vouch_for_its_rows_opens(folder: Path) -> None:
    # So were the first versions of this format stored.
    proof = Bundle(folder).proof
    files = {name: proof.files[name] for name in (BOOSTER, ENCODER, GRAPH, POLICY)}
    older = msgspec.to_builtins(msgspec.structs.replace(proof, files=files))
    del older["facts"]
    swapped(folder, PROOF, msgspec.json.encode(older))

    bundle = Bundle(folder)

    assert bundle.proof.files.keys() == files.keys()
    assert isinstance(bundle.proof, Proof)


def test_a_manifest_that_was_sealed_before_it_had_an_origin_opens(folder: Path) -> None:
    plain = msgspec.json.decode((folder / MANIFEST).read_bytes())
    # Fields that came later, of a model that has none of them.
    older = {name: value for name, value in plain.items() if value is not None}
    assert not {"origin", "transform", "left_out"} & older.keys()
    older["sha256"] = ""
    older["sha256"] = hashlib.sha256(msgspec.json.encode(older)).hexdigest()
    (folder / MANIFEST).write_bytes(msgspec.json.format(msgspec.json.encode(older), indent=1))

    assert Bundle(folder).manifest.origin is None


def test_a_word_of_no_meaning_in_the_manifest_is_refused(folder: Path) -> None:
    plain = msgspec.json.decode((folder / MANIFEST).read_bytes())
    (folder / MANIFEST).write_bytes(msgspec.json.encode(plain | {"spare": None}))

    with pytest.raises(BundleError, match="unknown field `spare`"):
        Bundle(folder)
