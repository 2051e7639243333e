"""Answering: an attribute of a service that is one of its only model."""

from __future__ import annotations

from typing import Any, Generic, Self, TypeVar, overload

__all__ = ["Answering"]

T = TypeVar("T")


class Answering(Generic[T]):
    """In an instance the attribute of the same name of the one model that it serves."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, instance: None, owner: type) -> Self: ...

    @overload
    def __get__(self, instance: object, owner: type) -> T: ...

    def __get__(self, instance: Any, owner: type) -> Any:
        if instance is None:
            return self
        if "" in (served := instance.served):
            return getattr(served[""], self._name)
        raise AttributeError(
            f"Expected the name of one of {', '.join(served)}, got none - at '{self._name}'. "
            f"Write it as self.served[NAME].{self._name}."
        )
