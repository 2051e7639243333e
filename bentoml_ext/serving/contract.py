"""Contract: the applications that a service takes and the answers it gives, by its bundle."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Self

import msgspec

from bentoml_ext.encoders.field import Application, Field
from bentoml_ext.errors import ConfigError, InvalidApplication
from bentoml_ext.serving.bento.image import EmbeddedModel
from bentoml_ext.serving.document.schema import (
    Schema,
    answer_schema,
    application_schema,
    example_of,
)
from bentoml_ext.serving.wrapped import wrapper

# `bentoml serve` imports a service to learn its shape; only a schema needs numpy.
if TYPE_CHECKING:
    from bentoml_ext.store.bundle import Bundle

__all__ = ["Contract", "check_rules"]


class Contract:
    """The schemas of a service's bodies. The bundle is read for the first schema.

    Args:
        model: gives the bundle.
        slot: name of the model's place in its service.
        example: an application for the OpenAPI page; by default, and if the bundle refuses it, an
            application is made that keeps the rules.
    """

    def __init__(
        self, model: EmbeddedModel, slot: str = "", example: Application | None = None
    ) -> None:
        self._model = model
        self._slot = slot
        self._example = example
        self._bundle: Bundle | None = None

    def serve(self, bundle: Bundle) -> None:
        """Describe this bundle from now on: the worker serves it."""
        self._bundle = bundle

    def application(self) -> Schema:
        """Schema of an application: the bundle's fields and rules."""
        fields = self._read().encoder.fields
        return application_schema(fields, self._shown() or example_of(fields))

    @property
    def whole(self) -> str:
        """The one key of an object that holds an application, as BentoML's client may send it."""
        return wrapper(self._read().encoder.names)

    def answer(self) -> Schema:
        """Schema of an answer: the key and the words of the bundle's policy."""
        return answer_schema(self._read().decider)

    @property
    def decides(self) -> bool:
        """Whether an answer has a decision, which is a text."""
        return self._read().decider.schema.text is not None

    def decides_by_file(self) -> bool:
        """The same by the policy's file alone, before a worker has judged the bundle."""
        with suppress(OSError, msgspec.DecodeError):
            return _Kind.of(Path(self._model.resolve().path) / "policy.json").kind != "value"
        return True

    def introduction(self) -> str:
        """Text about the model: its policy and proof, and how to ask."""
        from bentoml_ext.serving.document.introduction import introduction

        bundle = self._read()
        example = self._shown() or example_of(bundle.encoder.fields)
        return introduction(bundle, example, self._slot)

    def _shown(self) -> Application | None:
        try:
            self._read().encoder.check(self._example)
        except InvalidApplication:
            return None
        return self._example

    def _read(self) -> Bundle:
        if self._bundle is None:
            from bentoml_ext.store.bundle import Bundle

            self._bundle = Bundle(Path(self._model.resolve().path))
        return self._bundle


class _Kind(msgspec.Struct):
    """The kind of a policy; that of an earlier format is bands, and says no kind."""

    kind: str = "bands"

    @classmethod
    def of(cls, path: Path) -> Self:
        return msgspec.json.decode(path.read_bytes(), type=cls)


def check_rules(given: Sequence[Field], stored: Sequence[Field]) -> None:
    """Refuse a service's rules that differ from the bundle's own.

    The service may list more categories, or leave codes out: the model decides which exist.

    Raises:
        ConfigError: names the first field and rule that differ, and the way out.
    """
    own = {field.name: field for field in given}
    if odd := own.keys() ^ {field.name for field in stored}:
        name = min(odd)
        there, not_there = (
            ("the service", "the bundle") if name in own else ("the bundle", "the service")
        )
        raise _differs(f"a field of {not_there} and of {there}", f"one of {there} alone", name)
    for field in stored:
        for rule in msgspec.structs.fields(Field):
            ours, theirs = getattr(own[field.name], rule.name), getattr(field, rule.name)
            # The model decides which values exist: a service may list more, or none.
            is_models = rule.name == "categories" and ours and set(theirs) <= set(ours)
            is_models = is_models or (rule.name == "codes" and not ours)
            if ours != theirs and not is_models:
                raise _differs(f"{rule.name} {theirs!r}", f"{ours!r}", field.name)


def _differs(expected: str, got: str, field: str) -> ConfigError:
    return ConfigError(
        f"Expected {expected}, got {got} - at field '{field}' of the service's `fields`. The "
        "bundle's own rules answer on every route: leave `fields` out, and store other rules with "
        "the model by `bentoml ext import SOURCE --name NAME --fields FILE`."
    )
