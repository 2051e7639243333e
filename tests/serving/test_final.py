"""A subclass adds to a service; what would answer only some of its routes is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import bentoml
import pytest

import bentoml_ext
from bentoml_ext import Classifier
from bentoml_ext.errors import ConfigError
from bentoml_ext.serving.routes import NAMES
from models.fields import EXAMPLE, FIELDS

TAG = "credit_risk_model:latest"


class Parent(Classifier, model=TAG, example=EXAMPLE):
    """A service's class that another derives from."""

    def __init__(self) -> None:
        super().__init__()
        self.greeting = "hello"

    @bentoml.api  # type: ignore[untyped-decorator]
    def greet(self) -> str:
        """What a subclass may add."""
        return self.greeting


def plain(self: Any, application: Any) -> Any:
    return {"Status": "APPROVED"}


class Mixed:
    """Not a Classifier, but beside one among a class's bases."""

    classify_batch = plain


def api_method(self: Any, application: dict[str, Any]) -> dict[str, Any]:
    return {"Status": "APPROVED"}


DEFINED: dict[str, Callable[[], Any]] = {
    "classify": lambda: type("Own", (Parent,), {"classify": plain}),
    "classify_batch": lambda: type("Own", (Mixed, Parent), {}),
    "served": lambda: type("Own", (Parent,), {"served": plain}),
    "predict": lambda: type("Own", (Classifier,), {"predict": plain}, model=TAG),
    "fields": lambda: type("Own", (Classifier,), {"fields": FIELDS}, model=TAG),
    "model": lambda: type("Own", (Classifier,), {"model": TAG}),
    "scorer": lambda: type("Own", (Parent,), {"scorer": None}),
}


@pytest.mark.parametrize("name", DEFINED)
def test_a_class_that_takes_a_name_of_ours_is_refused_when_it_is_defined(name: str) -> None:
    with pytest.raises(ConfigError, match=f"Expected no '{name}' of its own, got one - at "):
        DEFINED[name]()


def test_an_api_method_in_the_place_of_ours_is_refused_too() -> None:
    members = {"classify": bentoml.api(api_method)}

    with pytest.raises(ConfigError, match="another name under @bentoml"):
        type("Own", (Parent,), members)


def test_a_method_that_is_replaced_later_is_refused_when_a_service_is_made() -> None:
    own: Any = type("Own", (Parent,), {})
    own.classify = bentoml.api(api_method)

    with pytest.raises(ConfigError, match="Expected no 'classify' of its own"):
        bentoml_ext.service(own)


@pytest.mark.parametrize("name", ["classify", "classify_batch", "served", "scorer", "predict"])
@pytest.mark.parametrize("place", ["class", "parent", "mixin"])
def test_what_is_assigned_to_a_class_later_is_refused_when_a_service_is_made(
    name: str, place: str
) -> None:
    mixin: Any = type("Mixin", (), {})
    parent: Any = type("Middle", (mixin, Parent), {})
    own: Any = type("Own", (parent,), {})
    setattr({"class": own, "parent": parent, "mixin": mixin}[place], name, plain)

    with pytest.raises(ConfigError, match=f"Expected no '{name}' of its own, got one - at "):
        bentoml_ext.service(own)


@pytest.mark.parametrize("name", ["classify", "classify_batch", "served"])
def test_what_is_assigned_when_the_service_is_made_stops_the_worker(
    credit_model: bentoml.Model, name: str
) -> None:
    own: Any = type("Own", (Parent,), {})
    service = bentoml_ext.service(own)
    setattr(own, name, plain)

    with pytest.raises(ConfigError, match=f"Expected no '{name}' of its own, got one - at Own"):
        service()


@pytest.mark.parametrize("name", ["classify", "classify_batch", "served", "scorer", "provenance"])
@pytest.mark.parametrize("early", [False, True], ids=["after ours", "before ours"])
def test_what_an_init_assigns_in_the_place_of_ours_is_refused(
    credit_model: bentoml.Model, name: str, early: bool
) -> None:
    def init(self: Any) -> None:
        if early:
            setattr(self, name, plain)
        Parent.__init__(self)
        setattr(self, name, plain)

    own: Any = type("Own", (Parent,), {"__init__": init})

    with pytest.raises(ConfigError, match=f"Expected no '{name}' of its own, got one - at Own"):
        bentoml_ext.service(own)()


def test_another_method_on_a_hot_route_is_refused() -> None:
    own: Any = type("Own", (Parent,), {"answer": bentoml.api(route="/classify")(api_method)})

    with pytest.raises(ConfigError, match="got /classify again - at method 'answer' of Own"):
        bentoml_ext.service(own)


@pytest.mark.parametrize("inner", [int, Classifier])
def test_a_class_without_a_model_is_no_service(inner: Any) -> None:
    with pytest.raises(ConfigError, match="Expected a Classifier with a model"):
        bentoml_ext.service(inner)


def test_a_subclass_of_a_subclass_has_its_parents_model_and_methods(
    credit_model: bentoml.Model,
) -> None:
    class Child(Parent):
        """Adds nothing."""

    service = bentoml_ext.service(Child)

    assert service().stored.tag == credit_model.tag
    assert set(service.apis) == {*NAMES, "greet"}
    assert service.apis["classify"].input_spec.model_json_schema()["example"] == EXAMPLE
    assert Child.model is not Parent.model


def test_an_init_that_does_not_call_ours_is_refused() -> None:
    own: Any = type("Own", (Parent,), {"__init__": lambda _: None})

    with pytest.raises(ConfigError, match=r"a call of super\(\)\.__init__\(\), got none - at Own"):
        bentoml_ext.service(own)()
