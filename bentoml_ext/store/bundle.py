"""Bundle: one immutable version of a model on disk, every file under a checksum."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec

from bentoml_ext.decisions.base import Decider
from bentoml_ext.decisions.deciding import decider_of, default_policy
from bentoml_ext.decisions.policy import Policy, policy_from_json
from bentoml_ext.disk_errors import naming
from bentoml_ext.encoders.encoder import Encoder
from bentoml_ext.errors import BundleError, ConfigError
from bentoml_ext.objectives.base import Objective
from bentoml_ext.objectives.table import objective_of
from bentoml_ext.proof.record import PROOF, Proof
from bentoml_ext.proof.stored_rows import PROOF_ROWS, ProofRows
from bentoml_ext.store.origin import Assumption, Origin

__all__ = ["BOOSTER", "ENCODER", "GRAPH", "MANIFEST", "POLICY", "Bundle", "FileEntry", "Manifest"]

FORMAT = 3
"""What is written; docs/decisions/formats-of-bundles.md has what each format changed."""

READ: Final = (2, FORMAT)
"""Formats that are read. 1 had no proof: such a version is trained or imported anew."""

MANIFEST = "manifest.json"
BOOSTER = "booster.ubj"
GRAPH = "graph.onnx"
ENCODER = "encoder.json"
POLICY = "policy.json"

BOUND_OTHERWISE: Final = ("format", "features", "files", "sha256")
"""Entries of the manifest that a proof covers by the files; the features are the encoder's."""

T = TypeVar("T")


class FileEntry(msgspec.Struct, frozen=True):
    """A file of the bundle.

    Args:
        sha256: checksum of its bytes, in hex.
        size_bytes: its length.
    """

    sha256: str
    size_bytes: int

    @classmethod
    def of(cls, data: bytes) -> FileEntry:
        """The entry that these bytes should have."""
        return cls(hashlib.sha256(data).hexdigest(), len(data))


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """manifest.json: what the bundle holds and what made it.

    Args:
        format: version of the bundle's layout.
        objective: XGBoost's name of it, as the booster says.
        n_features: columns of a row.
        n_trees: trees that are summed into the margin.
        features: column names in order.
        files: every other file of the bundle by name.
        versions: libraries that made it.
        sha256: checksum of this manifest, taken with an empty text here: no other file holds it.
        origin: of an imported model; None of one that was handed over by its training.
        transform: as `Ensemble.transform`; None where the objective predicts in its usual way.
        left_out: by file name, why another package's form cannot hold the model; None if all can.
        assumptions: what nobody said of a model that its training handed over; None of others.
    """

    format: int
    objective: str
    n_features: int
    n_trees: int
    features: list[str]
    files: dict[str, FileEntry]
    versions: dict[str, str]
    sha256: str = ""
    origin: Origin | None = None
    transform: str | None = None
    left_out: dict[str, str] | None = None
    assumptions: list[Assumption] | None = None

    @property
    def facts(self) -> dict[str, Any]:
        """Entries about the model, without the files."""
        plain: dict[str, Any] = msgspec.to_builtins(self)
        return {name: value for name, value in plain.items() if name not in BOUND_OTHERWISE}

    def sealed(self) -> Manifest:
        """The same manifest with its own checksum."""
        plain = msgspec.to_builtins(msgspec.structs.replace(self, sha256=""))
        # A None is a field that did not exist yet when the version was sealed.
        given = {name: value for name, value in plain.items() if value is not None}
        digest = hashlib.sha256(msgspec.json.encode(given)).hexdigest()
        return msgspec.structs.replace(self, sha256=digest)


class Bundle:
    """An opened bundle: present, whole, as it was proven, and of a format that this version reads.

    Args:
        path: its folder.

    Raises:
        BundleError: a file is missing, truncated, changed, of another format, or not the one that
            was proven. The message names it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.manifest = _decode(self._bytes(MANIFEST), path / MANIFEST)
        for name, entry in self.manifest.files.items():
            self._verify(name, entry)
        self.encoder = self._parsed(ENCODER, Encoder.from_json)
        self.policy = self._policy()
        features = list(self.encoder.features)
        if features != self.manifest.features or len(features) != self.manifest.n_features:
            raise BundleError(
                f"Expected the manifest's features, got others - at {path / ENCODER}."
            )
        self.proof = self._parsed(PROOF, Proof.from_json)
        self._check_proven()

    @property
    def objective(self) -> Objective:
        """What makes predictions of the model's margins."""
        return objective_of(self.manifest.objective, self.manifest.transform or "")

    @cached_property
    def n_margins(self) -> int:
        """Margins of a row, by the stored answers."""
        return int(ProofRows.from_npy(self.file(PROOF_ROWS)).margins.shape[1])

    @cached_property
    def decider(self) -> Decider:
        """What makes the policy's answers of the model's margins.

        Raises:
            ConfigError: the policy does not fit what the model predicts.
        """
        return decider_of(self.policy, self.objective, self.n_margins)

    def file(self, name: str) -> bytes:
        """The bytes of a file, verified again.

        Raises:
            BundleError: the bundle has no such file, or it has changed.
        """
        if name not in self.manifest.files:
            raise BundleError(f"Expected {name}, got no such file - at {self.path / MANIFEST}.")
        return self._verify(name, self.manifest.files[name])

    def _policy(self) -> Policy:
        policy = self._parsed(POLICY, policy_from_json)
        if self.manifest.format == 2 and self.objective.output != "probability":
            # Format 2 stored bands with every model, and answered with none of them.
            return default_policy(self.objective, self.n_margins)
        return policy

    def _check_proven(self) -> None:
        """Refuse what the proof did not judge, whatever the manifest's own checksums say."""
        if not self.proof.holds:
            raise BundleError(
                f"Expected a proof that holds, got one that does not - at {self.path / PROOF}. "
                f"{self.proof.reason}"
            )
        found = {name: entry.sha256 for name, entry in self.manifest.files.items()}
        del found[PROOF]
        # Proofs of the first versions of this format do not vouch for their rows.
        if PROOF_ROWS not in self.proof.files:
            found.pop(PROOF_ROWS, None)
        self._compare_proven("sha256 of ", self.proof.files, found)
        facts_of_proof = {"objective": self.proof.objective, **self.proof.facts}
        facts = self.manifest.facts
        self._compare_proven("", facts_of_proof, {name: facts.get(name) for name in facts_of_proof})

    def _compare_proven(
        self, what: str, proven: Mapping[str, Any], found: Mapping[str, Any]
    ) -> None:
        for name in sorted(proven.keys() | found.keys()):
            expected, got = proven.get(name, "none"), found.get(name, "none")
            if expected != got:
                raise BundleError(
                    f"Expected {what}{name} as it was proven, {expected}, got {got} - at "
                    f"{self.path}. It was changed after the proof was made; restore this version, "
                    "or store the model anew, which proves it."
                )

    def _parsed(self, name: str, parse: Callable[[bytes], T]) -> T:
        try:
            return parse(self.file(name))
        except (ConfigError, ValueError) as error:
            raise BundleError(f"{str(error).rstrip('.')}, in {self.path / name}.") from error

    def _verify(self, name: str, entry: FileEntry) -> bytes:
        # A name is a file of this folder: a manifest must not lead out of it.
        if Path(name).name != name or name in ("", "..", MANIFEST) or "\0" in name:
            raise BundleError(f"Expected a file name, got {name!r} - at {self.path / MANIFEST}.")
        data = self._bytes(name)
        found = FileEntry.of(data)
        if found != entry:
            raise BundleError(
                f"Expected {entry.size_bytes} bytes with sha256 {entry.sha256[:12]}..., got "
                f"{found.size_bytes} with {found.sha256[:12]}... - at {self.path / name}. "
                "The file was changed or cut after it was stored; restore this version."
            )
        return data

    def _bytes(self, name: str) -> bytes:
        try:
            return (self.path / name).read_bytes()
        except OSError as error:
            raise BundleError(
                f"Expected {name}, got {error.strerror} - at {self.path}. "
                "Is this model saved by bentoml_ext?"
            ) from error

    @staticmethod
    def write(path: Path, files: Mapping[str, bytes], manifest: Manifest) -> None:
        """Write a bundle's files into a folder that nobody reads yet.

        Args:
            path: an existing folder; the caller moves it into place when this returns.
            files: every file but the manifest.
            manifest: its `files` are set here.
        """
        for name, data in files.items():
            with naming(path / name):
                (path / name).write_bytes(data)
        entries = {name: FileEntry.of(data) for name, data in sorted(files.items())}
        manifest = msgspec.structs.replace(manifest, format=FORMAT, files=entries).sealed()
        text = msgspec.json.format(msgspec.json.encode(manifest), indent=1)
        with naming(path / MANIFEST):
            (path / MANIFEST).write_bytes(text)


class _Format(msgspec.Struct):
    format: int


def _decode(data: bytes, path: Path) -> Manifest:
    try:
        # Another format may have other fields, so it is looked at alone first.
        if (found := msgspec.json.decode(data, type=_Format).format) not in READ:
            raise BundleError(
                f"Expected bundle format {' or '.join(map(str, READ))}, got {found} - at {path}. "
                "Install the version of bentoml_ext that wrote it."
            )
        manifest = msgspec.json.decode(data, type=Manifest)
    # Not UTF-8 is a ValueError of another kind.
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BundleError(f"Expected a manifest, got {error} - at {path}.") from error
    if manifest.sealed() != manifest:
        raise BundleError(
            f"Expected the manifest with sha256 {manifest.sha256[:12]}..., got another - at "
            f"{path}. It was changed after it was stored; restore this version."
        )
    return manifest
