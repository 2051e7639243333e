"""Answering: an attribute of a service that is one of the model that answers now."""

from __future__ import annotations

from typing import Any, Generic, Self, TypeVar, overload

__all__ = ["Answering"]

T = TypeVar("T")


class Answering(Generic[T]):
    """In an instance the attribute of the same name of its `served`."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, instance: None, owner: type) -> Self: ...

    @overload
    def __get__(self, instance: object, owner: type) -> T: ...

    def __get__(self, instance: Any, owner: type) -> Any:
        return self if instance is None else getattr(instance.served, self._name)
