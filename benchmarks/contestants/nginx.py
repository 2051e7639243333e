"""nginx's constant answer: what a server in C can do when nothing is done, with one worker.

python -m benchmarks.contestants.nginx PORT
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from benchmarks.contestants.floor import BODY

MAIN = ("daemon off;", "worker_processes 1;", "error_log stderr;", "events {}")
HTTP = ("access_log off;", "keepalive_requests 100000000;", "default_type application/json;")
TEMPORARY = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")


def config(folder: Path, port: str) -> str:
    """The text of nginx.conf; every file of its own lies in a folder."""
    places = [f"{name}_temp_path {folder}/{name};" for name in TEMPORARY]
    answer = f"location / {{ return 200 '{BODY.decode()}'; }}"
    server = f"server {{ listen 127.0.0.1:{port}; {answer} }}"
    http = "\n".join((*HTTP, *places, server))
    return "\n".join((*MAIN, f"pid {folder}/pid;", f"http {{ {http} }}\n"))


def serve(port: str) -> None:
    """Become nginx on a port of this machine."""
    folder = Path(tempfile.mkdtemp(prefix="bentoml_ext-nginx-"))
    path = folder / "nginx.conf"
    path.write_text(config(folder, port))
    os.execvp("nginx", ["nginx", "-p", str(folder), "-c", str(path)])  # noqa: S606, S607


if __name__ == "__main__":
    serve(sys.argv[1])
