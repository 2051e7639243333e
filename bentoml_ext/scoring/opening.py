"""Opening: the backend and the scorer of a stored bundle, ready to answer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

from bentoml.exceptions import BentoMLException

from bentoml_ext.backends.base import Backend
from bentoml_ext.backends.crossover import Crossover
from bentoml_ext.backends.registry import AUTO, form_names, get_backend
from bentoml_ext.distributions import the_extra
from bentoml_ext.errors import BackendMissing, BundleError, ConfigError
from bentoml_ext.scoring.scorer import Scorer
from bentoml_ext.scoring.self_test import SelfTest, load_rows, self_test
from bentoml_ext.store.bundle import Bundle

__all__ = ["Opened", "open_backend", "open_each", "open_scorer", "open_tested"]


@dataclass(frozen=True)
class Opened:
    """A backend that a bundle's proof judged.

    Args:
        name: in the registry.
        backend: ready and tested; None where it cannot score here.
        why_not: the reason, in a sentence; empty where it can.
    """

    name: str
    backend: Backend | None = None
    why_not: str = ""


def open_backend(bundle: Bundle, name: str, crossover: Crossover | None = None) -> Backend:
    """A backend with its form of a bundle's model.

    Args:
        bundle: an opened bundle.
        name: of a registered backend, or "auto" for all that are proven and installed.
        crossover: for "auto", the backends to ask by the number of rows; measured by default.

    Raises:
        UnknownBackend, BackendMissing: as `get_backend`.
        BundleError: the bundle holds no file for it.
        BackendError: the library refused the file.
        ConfigError: the crossover names a backend that the bundle's proof did not judge.
    """
    if name == AUTO:
        return _open_auto(bundle, crossover)
    backend = get_backend(name)
    if backend.filename not in bundle.manifest.files:
        raise BundleError(
            f"Expected {backend.filename} for backend '{name}', got none - at {bundle.path}. "
            f"{_why_none(bundle, backend.filename)}"
        )
    return backend(bundle.path / backend.filename)


def open_scorer(bundle: Bundle, backend: str, crossover: Crossover | None = None) -> Scorer:
    """A scorer for a bundle.

    Args:
        bundle, crossover: as `open_backend`.
        backend: name, as `open_backend`.

    Raises:
        ConfigError: the policy does not fit what the model predicts.
        UnknownBackend, BackendMissing, BackendError, BundleError: as `open_backend`.
    """
    return Scorer(bundle.encoder, open_backend(bundle, backend, crossover), bundle.decider)


def open_tested(
    bundle: Bundle, backend: str, crossover: Crossover | None = None
) -> tuple[Scorer, SelfTest]:
    """A scorer that has passed its self-test on this machine, and the self-test.

    Raises:
        SelfTestFailed: the backend gives other bits here than were proven.
        UnknownBackend, BackendMissing, BackendError, BundleError, ConfigError: as `open_scorer`.
    """
    scorer = open_scorer(bundle, backend, crossover)
    return scorer, self_test(bundle, scorer.backend)


def _why_none(bundle: Bundle, filename: str) -> str:
    """Why a bundle lacks the form of a registered backend, and what to do."""
    reason = (bundle.manifest.left_out or {}).get(filename)
    if reason is not None:
        return f"The model was stored without this form: {reason} Serve it with another backend."
    return (
        "The form was not installed where the model was stored: `bentoml ext migrate TAG` stores "
        "it anew, with every form that is installed here."
    )


def open_each(bundle: Bundle, ready: Sequence[Backend] = ()) -> Iterator[Opened]:
    """Every backend that the bundle's proof judged and found equal, tested on this machine.

    Args:
        bundle: an opened bundle.
        ready: backends of the same bundle that passed their self-test already; used as they are.
    """
    there = {backend.name: backend for backend in ready}
    for name in dict.fromkeys([*there, *_proven(bundle)]):
        if name in there:
            yield Opened(name, there[name])
            continue
        try:
            backend = open_backend(bundle, name)
            self_test(bundle, backend)
        # A library may be there and not load: ImportError and OSError are its own words for that.
        except (BentoMLException, ImportError, OSError) as error:
            yield Opened(name, why_not=str(error))
        else:
            yield Opened(name, backend)


def _open_auto(bundle: Bundle, crossover: Crossover | None) -> Backend:
    from bentoml_ext.backends.auto import AutoBackend

    proven = _proven(bundle)
    if crossover is not None:
        _check(crossover, proven)
        return AutoBackend(
            {name: open_backend(bundle, name) for name in crossover.names}, crossover
        )
    backends = dict(_installed(bundle, proven))
    if not backends:
        raise BackendMissing(
            "Expected a backend that is installed and that this model's proof judged, got none "
            f"- at {bundle.path}. Install {the_extra(AUTO)}."
        )
    return AutoBackend.measured(backends, load_rows(bundle).rows)


def _proven(bundle: Bundle) -> list[str]:
    """Names of the backends that the bundle's own proof judged and found equal."""
    parts = bundle.proof.parts
    differ = {part.subject for part in parts if not part.holds}
    return [name for name in form_names() if name in {part.subject for part in parts} - differ]


def _installed(bundle: Bundle, names: Sequence[str]) -> Iterator[tuple[str, Backend]]:
    for name in names:
        with suppress(BackendMissing):
            yield name, open_backend(bundle, name)


def _check(crossover: Crossover, proven: Sequence[str]) -> None:
    if strange := [name for name in crossover.names if name not in proven]:
        raise ConfigError(
            f"Expected backends that this model's proof judged ({', '.join(proven)}), got "
            f"'{strange[0]}' - at CROSSOVER. Save the model anew where that backend is installed."
        )
