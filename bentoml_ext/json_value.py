"""JSON as the specification reads it: what Python's decoder takes, or a refusal that says why."""

from __future__ import annotations

import json
from typing import Any

from bentoml_ext.errors import InvalidApplication

__all__ = ["json_value"]


def json_value(text: bytes) -> Any:
    """The value; NaN and Infinity are let through, so that the field that has one is named.

    Raises:
        InvalidApplication: not JSON; says where.
    """
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        got = f"{error.msg[:1].lower()}{error.msg[1:]} at character {error.pos}"
    except RecursionError:
        got = "a value nested too deep"
    except ValueError as error:
        # Not UTF-8, or a number of thousands of digits.
        got = str(error)
    raise InvalidApplication("JSON", got)
