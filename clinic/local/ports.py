"""TCP ports of this machine: which are free, which one we used last time."""

from __future__ import annotations

import os
import socket
from pathlib import Path

from clinic.local.problem import LocalProblem

HOST = "127.0.0.1"


def is_free(port: int, host: str = HOST) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
        return True


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def remembered_port(file: Path) -> int:
    """The port written in `file` while it is free, else a new one: an address that outlives a restart."""
    if file.exists():
        port = int(file.read_text())
        if is_free(port):
            return port
    port = free_port()
    file.write_text(f"{port}\n")
    return port


def listen(port: int, host: str) -> socket.socket:
    """The web's listening socket; whoever connects while the web restarts waits instead of being refused."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise LocalProblem(
            f"Port {port} is taken ({error.strerror}); choose a free one, for example: "
            f"ROUNDS_PORT={port + 1} python3 run.py"
        ) from error
    listener.listen(2048)
    return listener


def web_port() -> int:
    text = os.environ.get("ROUNDS_PORT", "8000")
    if not text.isdigit() or not 0 < int(text) < 65536:
        raise LocalProblem(f"ROUNDS_PORT must be a port number, not {text!r}.")
    return int(text)
