"""Load: wrk in front of a server, over real applications."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Load", "drive", "script"]

# wrk sends each body in turn, so that no contestant can live off one.
LUA = """
local bodies = {{}}
local turn = 0
local headers = {{["Content-Type"] = "application/json", ["Host"] = "127.0.0.1"}}
for line in io.lines({path}) do
  bodies[#bodies + 1] = wrk.format("POST", {route}, headers, line)
end
request = function()
  turn = turn % #bodies + 1
  return bodies[turn]
end
done = function(summary, latency, requests)
  local errors = summary.errors
  local failed = errors.connect + errors.read + errors.write + errors.status + errors.timeout
  local function report(name, value)
    io.write("RESULT ", name, " ", value, "\\n")
  end
  report("requests", summary.requests)
  report("seconds", summary.duration / 1e6)
  report("failed", failed)
  report("p50", latency:percentile(50) / 1e3)
  report("p99", latency:percentile(99) / 1e3)
  report("p999", latency:percentile(99.9) / 1e3)
  report("longest", latency.max / 1e3)
end
"""


@dataclass(frozen=True)
class Load:
    """What a run of wrk saw.

    Args:
        requests: answered.
        seconds: that it took.
        failed: connections broken, late, or answered other than 2xx and 3xx.
        p50, p99, p999, longest: of the time to an answer, in milliseconds.
    """

    requests: int
    seconds: float
    failed: int
    p50: float
    p99: float
    p999: float
    longest: float

    @property
    def rate(self) -> float:
        """Answers a second."""
        return self.requests / self.seconds


def script(folder: Path, bodies: Sequence[bytes], route: str) -> Path:
    """A script for wrk that sends these bodies in turn.

    Args:
        folder: to write into.
        bodies: JSON without line breaks.
        route: where they go.
    """
    name = route.strip("/")
    lines, made = folder / f"{name}.jsonl", folder / f"{name}.lua"
    lines.write_bytes(b"\n".join(bodies) + b"\n")
    made.write_text(LUA.format(path=json.dumps(str(lines)), route=json.dumps(route)))
    return made


def drive(url: str, script: Path, connections: int, seconds: float) -> Load:
    """Send requests for a while, each connection the next when it has its answer.

    Raises:
        SystemExit: wrk is not installed.
        RuntimeError: wrk failed; with what it said.
    """
    wrk = shutil.which("wrk")
    if wrk is None:
        raise SystemExit("Expected wrk, got none - at PATH. Install it (Debian: apt install wrk).")
    options = ["-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s", "--timeout", "10s"]
    ran = subprocess.run(  # noqa: S603 (our own command)
        [wrk, *options, "-s", str(script), url],
        capture_output=True,
        text=True,
        timeout=seconds + 60,
        check=False,
    )
    lines = (line.split() for line in ran.stdout.splitlines() if line.startswith("RESULT "))
    summary = {name: float(value) for _, name, value in lines}
    if not summary:
        raise RuntimeError(f"Expected a result of wrk, got {ran.stdout}{ran.stderr}.")
    counts = [int(summary.pop(name)) for name in ("requests", "failed")]
    return Load(counts[0], summary.pop("seconds"), counts[1], **summary)
