"""Telemetry: the usage reports that libraries send to their makers, switched off in one place.

A library looks at its variable once, mostly when it is loaded. So this module is the first that
`bentoml_ext` imports. Child processes inherit the variables.
"""

from __future__ import annotations

import os
import sys
from typing import Final

__all__ = ["OFF", "switch_off"]

OFF: Final = {
    # A report of each command, each stored model, and twice a day of a server.
    "BENTOML_DO_NOT_TRACK": "True",
    # ONNX Runtime from 1.29 on, on its import: a device id, a cache of reports, an upload.
    "ORT_DISABLE_TELEMETRY": "1",
    "RAY_USAGE_STATS_ENABLED": "0",
}
"""By variable: the value that stops a library's reports. No other library of ours has any."""


def switch_off() -> None:
    """Set those of `OFF` in this process that are not set; a value that the user chose stays."""
    for name, value in OFF.items():
        # An empty variable is what `NAME= command` leaves: not set.
        os.environ[name] = os.environ.get(name) or value
    _stop_what_began()


def _stop_what_began() -> None:
    """Turn to the libraries that were loaded first and no longer look at their variables."""
    if (bento := sys.modules.get("bentoml._internal.utils.analytics.usage_stats")) is not None:
        bento.do_not_track.cache_clear()
    runtime = sys.modules.get("onnxruntime")
    if runtime is not None and os.environ["ORT_DISABLE_TELEMETRY"] == OFF["ORT_DISABLE_TELEMETRY"]:
        # Its report of the import is made; those of sessions are not made any more.
        runtime.disable_telemetry_events()
