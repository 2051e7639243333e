"""Final: names of a `Classifier` that no subclass may take, as not every route would ask there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from bentoml_ext.errors import ConfigError

if TYPE_CHECKING:
    from bentoml_ext.serving.classifier import Classifier

__all__ = ["check_class", "check_instance", "check_service"]

ANSWERS: Final = frozenset(
    {"_make_ready", "apis", "classify", "classify_batch", "fail", "handlers", "headers_by", "reply"}
)
"""What the shortcut, the streams and BentoML's own path answer by."""

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
        "scorer",
        "self_test",
        "settings",
        "stored",
    }
)
"""What this package sets itself, over whatever a subclass has under the name."""


def check_class(cls: type[Classifier], base: type) -> None:
    """Refuse a class that takes one of the names, itself or by a class that it is mixed with.

    Args:
        cls: before anything is set on it.
        base: `Classifier`.

    Raises:
        ConfigError: says what to do in its place.
    """
    for parent in cls.__mro__:
        # What another subclass has, this package has set, or has refused there.
        if (parent is not cls and issubclass(parent, base)) or parent in (base, object):
            continue
        if taken := sorted(vars(parent).keys() & (ANSWERS | HELD)):
            raise _taken(taken[0], parent)


def check_service(inner: type[Classifier], apis: dict[str, Any]) -> None:
    """Refuse a service whose hot routes are not answered by this package alone.

    Args:
        inner: the class.
        apis: BentoML's API methods of the service, by name.

    Raises:
        ConfigError: a method was replaced after the class was made, or another has its route.
    """
    routes = {api.route for api in inner.apis.values()}
    for name, api in apis.items():
        if name in inner.apis and api is not inner.apis[name]:
            raise _taken(name, inner)
        if name not in inner.apis and api.route in routes:
            raise ConfigError(
                f"Expected a route of its own, got {api.route} again - at method '{name}' of "
                f"{inner.__qualname__}. Give it another route."
            )


def check_instance(instance: Classifier) -> None:
    """Refuse an instance that was not made ready.

    Raises:
        ConfigError: its `__init__` does not call ours.
    """
    if "scorer" not in vars(instance):
        raise ConfigError(
            "Expected a call of super().__init__(), got none - at "
            f"{type(instance).__qualname__}.__init__. Add it."
        )


def _taken(name: str, cls: type) -> ConfigError:
    if name in ANSWERS:
        told = (
            "Every route answers by the stored model, and the shortcut and the streams would not "
            "ask there. Give the method another name under @bentoml.api, and let it call "
            "`self.scorer`."
        )
    else:
        told = (
            "bentoml_ext sets it. Take another name; `model`, `fields` and `example` are given as "
            'in `class X(Classifier, model="NAME:latest")`.'
        )
    return ConfigError(f"Expected no '{name}' of its own, got one - at {cls.__qualname__}. {told}")
