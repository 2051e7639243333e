"""Body: a JSON value at the root, between BentoML, its clients and a classifier.

BentoML asks a descriptor of a body for its schema, makes one of a request, and has its clients make
one of what they are called with: from another service (`bentoml.depends`), from the service's own
methods (`self.classify`) and from Python anywhere. Between services it pickles.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from copy import deepcopy
from typing import Any, ClassVar, Self

import bentoml
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from bentoml_ext.encoders.strict_json import json_value
from bentoml_ext.errors import InvalidApplication, TooLarge
from bentoml_ext.internals.marks import RootInput
from bentoml_ext.serving.content import json_body
from bentoml_ext.serving.document.schema import Schema
from bentoml_ext.serving.limits import MAX_BATCH_BYTES

__all__ = ["PICKLE", "JsonBody", "described_by"]

PICKLE = "application/vnd.bentoml+pickle"
"""Media type between BentoML's services; BentoML refuses it from outside."""


class JsonBody(RootInput, bentoml.IODescriptor):
    """A whole body that is one JSON value, of any content type, or one value that was pickled.

    BentoML's own descriptor answers 500 to a body that is not JSON, and makes the schema anew for
    every request.
    """

    make_schema: ClassVar[Callable[[], Schema]]
    max_bytes: ClassVar[int] = MAX_BATCH_BYTES

    body: bytes = b""
    value: Any = None
    is_pickled: bool = False
    refused: Any = None

    def decode(self, read: Callable[[bytes], Any] = json_value) -> Any:
        """The value.

        Args:
            read: what makes it of the body.

        Raises:
            InvalidApplication: not JSON.
            InvalidApplication, TooLarge, HTTPException: as `json_body`.
        """
        if self.refused is not None:
            try:
                raise self.refused
            finally:
                # A raised error refers to this frame, and so to this body: a circle, which keeps
                # the request until the next full collection.
                self.refused = None
        return self.value if self.is_pickled else read(self.body)

    @classmethod
    async def from_http_request(cls, request: Request, serde: Any) -> Self:
        """The request's body, not yet decoded."""
        if serde.media_type == PICKLE:
            return cls.holding(await serde.parse_request(request, cls))
        try:
            return cls.model_construct(body=await json_body(request, cls.max_bytes))
        except (InvalidApplication, TooLarge, HTTPException) as error:
            # The frames that raised it hold the body, and among them is a circle of anyio's.
            return cls.model_construct(refused=error.with_traceback(None))

    @classmethod
    def holding(cls, value: Any) -> Self:
        """A body of this value."""
        return cls.model_construct(value=value, is_pickled=True)

    # BentoML's clients call these.

    @classmethod
    def from_inputs(cls, *args: Any, **kwargs: Any) -> Self:
        """The body of a call: by its one value, or by the fields of an object."""
        if bool(args) == bool(kwargs) or len(args) > 1:
            raise TypeError(
                f"Expected one value, or its fields by name, got {len(args)} values and "
                f"{len(kwargs)} names - at a call of '{cls.__name__}'."
            )
        return cls.holding(args[0] if args else kwargs)

    def model_dump(self, **_: Any) -> Any:
        """The value that a client sends."""
        return self.value

    def model_dump_json(self, **_: Any) -> str:
        """The same as JSON."""
        return json.dumps(self.value)

    @classmethod
    def model_validate(cls, obj: Any, **_: Any) -> Any:
        """The value that a client has got: itself, and no model of it."""
        return obj

    @classmethod
    def model_validate_json(cls, json_data: Any, **_: Any) -> Any:
        """The same from JSON."""
        return json.loads(json_data)

    @classmethod
    async def to_http_response(cls, obj: Any, serde: Any) -> Response:
        """The answer to a service that pickles."""
        payload = serde.serialize_value(obj)
        return Response(b"".join(payload.data), headers=dict(payload.headers), media_type=PICKLE)

    # BentoML describes the API by the schema and the media type.

    @classmethod
    def model_json_schema(cls, *_: Any, **__: Any) -> Schema:
        """The schema that this body is described by, made when BentoML asks for it."""
        # BentoML changes what it gets.
        return deepcopy(cls.make_schema()) | {"root_input": True}

    @classmethod
    def mime_type(cls) -> str:
        """JSON."""
        return "application/json"


def described_by(
    title: str, make_schema: Callable[[], Schema], max_bytes: int = MAX_BATCH_BYTES
) -> type[JsonBody]:
    """A body whose schema has this title, and is made when BentoML asks for it.

    Args:
        title: of the schema.
        make_schema: the rest of it.
        max_bytes: of a body, when it is unpacked.
    """

    def titled() -> Schema:
        return {"title": title} | make_schema()

    members = {"make_schema": staticmethod(titled), "max_bytes": max_bytes}
    return type(title, (JsonBody,), {**members, "__module__": __name__})
