"""Memory limit: libraries say in many ways that they got none, and a command says it in one."""

from __future__ import annotations

import pytest

from bentoml_ext.errors import ConfigError
from bentoml_ext.memory_limit import within_memory

OURS = r"Expected more memory( or threads)?, got none - at this process\."


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("[ONNXRuntimeError] : 6 : Exception during initialization: std::bad_alloc"),
        ImportError("libxgboost.so: failed to map segment from shared object"),
        OSError(12, "Cannot allocate memory"),
        RuntimeError("can't start new thread"),
    ],
)
def test_memory_that_a_library_did_not_get_is_named(error: Exception) -> None:
    with pytest.raises(ConfigError, match=OURS) as raised, within_memory():
        raise error

    assert raised.value.__cause__ is error


def test_another_error_stays_as_it_is() -> None:
    with pytest.raises(KeyError), within_memory():
        raise KeyError("field")
