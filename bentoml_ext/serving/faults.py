"""Faults: what a request of a route of ours gets when its answer fails, whoever is at fault."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Mapping
from http import HTTPStatus
from typing import Any, Protocol

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from bentoml_ext.errors import InvalidApplication, NoDecision, TooLarge
from bentoml_ext.serving.limits import GONE

__all__ = ["Signing", "answered"]


class Signing(Protocol):
    """A model in whose name a request is refused."""

    def sign(self, refusal: Response) -> Response:
        """A refusal that names the model which refuses."""
        ...

    def fail(self, status: int, message: str, headers: Mapping[str, str] | None = None) -> Response:
        """An answer with another status than 200, for a fault that is not an application's."""
        ...


async def answered(
    asked: Awaitable[Response], service: Any, model: Signing, log: logging.Logger
) -> Response:
    """The answer that a request asks for, or the refusal that says what is wrong.

    Args:
        asked: makes the answer.
        service: puts the refusal of an application into words.
        model: signs the refusal.
        log: gets an unexpected error with its traceback.
    """
    try:
        return await asked
    except InvalidApplication as error:
        return model.sign(service.refuse(error))
    except (NoDecision, TooLarge) as error:
        return model.fail(error.error_code, str(error))
    except HTTPException as error:
        return model.fail(error.status_code, error.detail, error.headers)
    except ClientDisconnect:
        return Response(status_code=GONE)
    except Exception:
        log.exception("A request failed")
        message = "An unexpected error has occurred, please check the server log."
        return model.fail(HTTPStatus.INTERNAL_SERVER_ERROR, message)
