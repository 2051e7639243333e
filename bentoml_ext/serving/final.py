"""Final: names of a `Classifier` that no subclass may take, as not every route would ask there."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final

from bentoml_ext.errors import ConfigError

__all__ = [
    "check_assigned",
    "check_class",
    "check_free",
    "check_instance",
    "check_service",
    "check_unchanged",
    "own_names",
]

ANSWERS: Final = frozenset(
    {"_make_ready", "apis", "classify", "classify_batch", "predict", "predict_batch"}
)
"""Names by which the fast path, the streams and BentoML's own path answer."""

HELD: Final = frozenset(
    {
        "bundle",
        "check_start",
        "contract",
        "example",
        "fastpath",
        "fields",
        "headers",
        "model",
        "proof",
        "proof_sha256",
        "provenance",
        "scorer",
        "self_test",
        "served",
        "settings",
        "slots",
        "stored",
    }
)
"""Names that this package sets itself, and would overwrite in a subclass."""

TAKEN: Final = ANSWERS | HELD

SET_LATER: Final = frozenset({"check_start", "settings"})
"""Names that are set late: when the class becomes a service, or is loaded from a bento."""


def check_class(cls: type, base: type) -> None:
    """Refuse a class that takes one of the names, itself or by a class that it is mixed with.

    Args:
        cls: before anything is set on it.
        base: `Classifier`.

    Raises:
        ConfigError: names the remedy.
    """
    # Names of another subclass were set by this package, or checked there.
    for parent in (cls, *_mixed(cls, base)):
        if taken := sorted(vars(parent).keys() & TAKEN):
            raise _taken(taken[0], parent)


def check_free(cls: type, base: type, names: Collection[str]) -> None:
    """Refuse a class that defines a method of the name of one that this package gives it.

    Args:
        cls: before they are set on it.
        base: `Classifier`.
        names: of the methods.

    Raises:
        ConfigError: as `check_class`.
    """
    for parent in (cls, *_mixed(cls, base)):
        if taken := sorted(vars(parent).keys() & set(names)):
            raise _taken(taken[0], parent)


def _mixed(cls: type, base: type) -> list[type]:
    """The classes among a class and its bases that do not derive from `base`."""
    return [one for one in cls.__mro__ if not issubclass(one, base) and one is not object]


def own_names(cls: type) -> dict[str, Any]:
    """A class's values of the taken names, to be remembered after this package has set them."""
    return {name: vars(cls)[name] for name in vars(cls).keys() & (TAKEN - SET_LATER)}


def check_unchanged(cls: type, base: type) -> None:
    """Refuse a class, or one that it derives from, to which a name was assigned after it was made.

    Raises:
        ConfigError: as `check_class`.
    """
    mixed = _mixed(cls, base)
    for parent in cls.__mro__:
        if parent in (base, object):
            continue
        made = {} if parent in mixed else vars(parent)["made_with"]
        found = own_names(parent)
        for name in sorted(made.keys() | found.keys()):
            if name not in made or found.get(name) is not made[name]:
                raise _taken(name, parent)


def check_assigned(classifier: object, *names: str) -> None:
    """Refuse names that are assigned to an instance, which this package alone does.

    Raises:
        ConfigError: as `check_class`.
    """
    if taken := sorted(TAKEN.intersection(names)):
        raise _taken(taken[0], type(classifier))


def check_service(inner: type, ours: Mapping[str, Any], apis: Mapping[str, Any]) -> None:
    """Refuse a service whose fast routes are not answered by this package alone.

    Args:
        inner: the class.
        ours: API methods that this package gave the class, by name.
        apis: BentoML's API methods of the service, by name.

    Raises:
        ConfigError: a method was replaced after the class was made, or another has its route.
    """
    routes = {api.route for api in ours.values()}
    for name, api in apis.items():
        if name in ours and api is not ours[name]:
            raise _taken(name, inner)
        if name not in ours and api.route in routes:
            raise ConfigError(
                f"Expected a route of its own, got {api.route} again - at method '{name}' of "
                f"{inner.__qualname__}. Give it another route."
            )


def check_instance(instance: object, base: type) -> None:
    """Refuse an instance that was not made ready, or whose class has changed since.

    Raises:
        ConfigError: its `__init__` does not call ours; or as `check_class`.
    """
    check_unchanged(type(instance), base)
    if "served" not in vars(instance):
        raise ConfigError(
            "Expected a call of super().__init__(), got none - at "
            f"{type(instance).__qualname__}.__init__. Add it."
        )


def _taken(name: str, cls: type) -> ConfigError:
    if name not in HELD:
        remedy = (
            "Every route answers by the stored model, and the fast path and the streams would not "
            "ask there. Give the method another name under @bentoml.api, and let it call "
            "`self.scorer`."
        )
    else:
        remedy = (
            "bentoml_ext sets it. Take another name; `model`, `fields` and `example` are given as "
            'in `class X(Classifier, model="NAME:latest")`.'
        )
    return ConfigError(
        f"Expected no '{name}' of its own, got one - at {cls.__qualname__}. {remedy}"
    )
