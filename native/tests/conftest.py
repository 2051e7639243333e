"""Fixtures: every strategy that this processor has.

Run by `make simd`, which builds the package and takes the fixtures of tests/conftest.py, too.
"""

from __future__ import annotations

import pytest

from bentoml_ext_simd.kernel import strategies


@pytest.fixture(params=strategies())
def strategy(request: pytest.FixtureRequest) -> str:
    """Each name that BENTOML_EXT_SIMD takes here."""
    return str(request.param)
