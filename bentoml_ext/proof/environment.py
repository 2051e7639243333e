"""Environment: what a proof ran on, because other libraries or processors may give other bits."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from bentoml_ext.distributions import installed

__all__ = ["libraries", "machine", "versions"]

LIBRARIES: Final = (
    "bentoml_ext", "bentoml", "xgboost", "onnx", "onnxruntime", "skl2onnx", "numpy",
)  # fmt: skip

# Those that decide how a sum or a product is rounded.
EXTENSIONS: Final = ("fma", "avx", "avx2", "avx512f", "asimd", "sve")


def versions() -> dict[str, str]:
    """Libraries that take part, Python and the C library among them."""
    return {"python": platform.python_version(), "c library": _c_library(), **libraries()}


def libraries(names: Iterable[str] = LIBRARIES) -> dict[str, str]:
    """The versions of those of some libraries that are installed.

    "3.2.0 (xgboost-cpu)" where another distribution than the one of that name provides it.
    """
    found = {name: installed(name) for name in names}
    return {name: str(one) for name, one in found.items() if one is not None}


def machine() -> dict[str, str]:
    """System and processor, as the system names them."""
    info = _processor()
    flags = set((info.get("flags") or info.get("Features") or "").split())
    return {
        "system": f"{platform.system()} {platform.release()}",
        "machine": platform.machine(),
        "processor": info.get("model name") or platform.processor() or "unknown",
        "extensions": " ".join(name for name in EXTENSIONS if name in flags),
        "processors": str(os.cpu_count() or 1),
    }


def _c_library() -> str:
    name, number = platform.libc_ver()
    return f"{name} {number}".strip() or "unknown"


def _processor() -> dict[str, str]:
    """The first processor's entry, where the system has one."""
    try:
        text = Path("/proc/cpuinfo").read_text(errors="replace")
    except OSError:
        return {}
    lines = (line.partition(":") for line in text.partition("\n\n")[0].splitlines())
    return {name.strip(): value.strip() for name, _, value in lines}
