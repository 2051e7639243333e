"""APIs: the BentoML methods that answer one application and many, under each name of theirs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Protocol

import bentoml
import msgspec
from starlette.exceptions import HTTPException
from starlette.responses import Response

from bentoml_ext.choices import spelled
from bentoml_ext.encoders.json_array import json_array
from bentoml_ext.encoders.strict_json import json_value
from bentoml_ext.errors import InvalidApplication, NoDecision, TooLarge
from bentoml_ext.serving.body import JsonBody, described_by
from bentoml_ext.serving.contract import Contract
from bentoml_ext.serving.document.schema import batch_of
from bentoml_ext.serving.limits import MAX_APPLICATION_BYTES
from bentoml_ext.serving.routes import BATCH, MAX_BATCH, SINGLE, method_of, path_of

# `bentoml serve` imports a service to learn its shape; a worker alone has a served model.
if TYPE_CHECKING:
    from bentoml_ext.serving.served_model import ServedModel

__all__ = ["apis_of"]

SAYS: Final = {
    "classify": "Classify one application: its decision, and the model's own numbers.",
    "classify_batch": "Classify up to 10 000 applications, in order; one bad application refuses "
    "them all.",
    "predict": "Predict one application: the model's answer, whatever its task.",
    "predict_batch": "Predict up to 10 000 applications, in order; one bad application refuses "
    "them all.",
}


class Service(Protocol):
    """A service that answers with a model, and words its refusals."""

    served: dict[str, ServedModel]

    def refuse(self, error: InvalidApplication) -> Response:
        """A 400 that names field, expected and got."""
        ...


def apis_of(slot: str, contract: Contract) -> dict[str, Any]:
    """BentoML's API methods of a model in a service class, by their kind, such as predict.

    Args:
        slot: name of the model's place in the class.
        contract: describes their bodies.
    """
    return dict(_apis(slot, contract))


def _apis(slot: str, contract: Contract) -> Iterator[tuple[str, Any]]:
    request = described_by("Application", contract.application, MAX_APPLICATION_BYTES)
    answer = described_by("Answer", contract.answer)
    for name in SINGLE:
        yield name, _api(slot, name, _single(slot, name), request, answer)
    many = described_by("Applications", lambda: batch_of(contract.application(), MAX_BATCH))
    answers = described_by("Answers", lambda: batch_of(contract.answer(), MAX_BATCH))
    for name in BATCH:
        yield name, _api(slot, name, _batch(slot, name), many, answers)


def _single(slot: str, name: str) -> Callable[..., Any]:
    async def answer(self: Service, application: Any = None, /, **fields: Any) -> Any:
        given = fields if application is None else application
        served = self.served[slot]

        def body() -> tuple[bytes, int]:
            return served.scorer.body(served.unwrapped(_value(given))), 1

        return _answer(self, served, (name, slot), given, body)

    return answer


def _batch(slot: str, name: str) -> Callable[..., Any]:
    read = partial(json_array, most=MAX_BATCH)

    # Not a coroutine: thousands of rows take long, so BentoML runs it beside the event loop.
    def answer(self: Service, applications: Any, /) -> Any:
        served = self.served[slot]

        def body() -> tuple[bytes, int]:
            from bentoml_ext.decisions.base import array_of

            margins = served.scorer.margins_of(_checked_batch(_value(applications, read)))
            return array_of(served.scorer.decider, margins), len(margins)

        return _answer(self, served, (name, slot), applications, body)

    return answer


def _api(slot: str, name: str, function: Callable[..., Any], *specs: type[JsonBody]) -> Any:
    """BentoML's method: it takes name and description from the function."""
    function.__name__ = function.__qualname__ = method_of(slot, name)
    function.__doc__ = f"{SAYS[name]} The model is {slot}." if slot else SAYS[name]
    request, answer = specs
    route = f"/{path_of(slot, name)}"
    return bentoml.api(route=route, input_spec=request, output_spec=answer)(function)


def _answer(
    service: Service,
    served: ServedModel,
    route: tuple[str, str],
    given: Any,
    body: Callable[[], tuple[bytes, int]],
) -> Any:
    """A response to a body; the value itself to a caller in this process, or who pickles."""
    try:
        served.check_route(*route)
        found, rows = body()
    except InvalidApplication as error:
        if isinstance(given, JsonBody):
            return served.sign(service.refuse(error))
        raise
    except NoDecision as error:
        if isinstance(given, JsonBody):
            return served.fail(error.error_code, str(error))
        raise
    except TooLarge as error:
        return served.fail(error.error_code, str(error))
    except HTTPException as error:
        return served.fail(error.status_code, error.detail, error.headers)
    if isinstance(given, JsonBody) and not given.is_pickled:
        return served.reply(found, rows)
    return msgspec.json.decode(found)


def _value(given: Any, read: Callable[[bytes], Any] = json_value) -> Any:
    """The value of a body that came over HTTP; a caller in this process hands it in itself."""
    return given.decode(read) if isinstance(given, JsonBody) else given


def _checked_batch(applications: Any) -> list[Any]:
    if not isinstance(applications, list):
        raise InvalidApplication("an array of applications", spelled(applications))
    if len(applications) > MAX_BATCH:
        raise InvalidApplication(f"at most {MAX_BATCH} applications", str(len(applications)))
    return applications
