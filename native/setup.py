"""The extension, by the stable ABI; pyproject.toml has all the rest."""

from __future__ import annotations

from pathlib import Path

from setuptools import Extension, setup

HERE = Path(__file__).parent
SOURCES = sorted(path.relative_to(HERE).as_posix() for path in (HERE / "src").glob("*.c"))

setup(
    ext_modules=[
        Extension(
            "bentoml_ext_simd.kernel",
            sources=[name for name in SOURCES if not name.endswith("fuzz.c")],
            depends=[path.relative_to(HERE).as_posix() for path in (HERE / "src").glob("*.h")],
            # A product that is added in one step would be rounded once, and XGBoost rounds twice.
            extra_compile_args=["-std=c11", "-O3", "-ffp-contract=off", "-fno-strict-aliasing"],
            py_limited_api=True,
        )
    ],
    options={"bdist_wheel": {"py_limited_api": "cp311"}},
)
