"""The folder that holds everything Rounds keeps on this machine, and who may use it now."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import secrets
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clinic.local.problem import LocalProblem, say

ROOT = Path(__file__).resolve().parents[2]
SOCKET_PATH_LIMIT = 100  # the kernel's limit is 107 bytes


@dataclass(frozen=True, slots=True)
class Home:
    """ROUNDS_HOME, by default var/: database, queue, weights, logs, runtime state."""

    path: Path

    @classmethod
    def default(cls) -> Home:
        return cls(Path(os.environ.get("ROUNDS_HOME") or ROOT / "var").resolve()).made()

    def made(self) -> Home:
        try:
            for folder in (self.path, self.run, self.log):
                folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise LocalProblem(f"The folder {self.path} cannot be used: {error.strerror}.") from error
        return self

    @property
    def run(self) -> Path:
        return self.path / "run"

    @property
    def log(self) -> Path:
        return self.path / "log"

    @property
    def state_file(self) -> Path:
        return self.run / "state.json"

    @property
    def weights(self) -> Path:
        """Where default weights are kept; a temporary home borrows the folder of the usual one."""
        return Path(os.environ.get("ROUNDS_WEIGHTS") or self.path / "weights")

    def socket_folder(self, part: str) -> Path:
        """A folder short enough for a unix socket's path."""
        near = self.path / part
        if len(bytes(near / ".s.PGSQL.5432.lock")) <= SOCKET_PATH_LIMIT:
            return near
        name = hashlib.sha256(bytes(self.path)).hexdigest()[:12]
        return Path(tempfile.gettempdir()) / f"rounds-{os.getuid()}-{name}-{part}"

    def secret_key(self) -> str:
        """The key that signs sessions here: made once, readable by its owner only."""
        file = self.path / "secret_key"
        if not file.exists():
            handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "w") as out:
                out.write(secrets.token_urlsafe(48))
        return file.read_text()

    def read_state(self) -> dict[str, Any]:
        """What the running owner says of itself; empty when there is none or it has just begun."""
        try:
            state: dict[str, Any] = json.loads(self.state_file.read_text())
        except FileNotFoundError:
            return {}
        return state

    def write_state(self, state: dict[str, Any]) -> None:
        fresh = self.state_file.with_suffix(".new")
        fresh.write_text(json.dumps(state, indent=1))
        fresh.rename(self.state_file)


class Lock:
    """A lock that its holder's death releases, shared with whoever inherits `fd`."""

    def __init__(self, file: Path) -> None:
        self.fd = os.open(file, os.O_RDWR | os.O_CREAT, 0o600)

    def take(self, *, shared: bool = False, wait: float = 0) -> bool:
        """True once held; False when others kept it for `wait` seconds."""
        kind = (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB
        deadline = time.monotonic() + wait
        while True:
            try:
                fcntl.flock(self.fd, kind)
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    return False
                time.sleep(0.1)
            else:
                return True

    def release(self) -> None:
        os.close(self.fd)


def owner_lock(home: Home) -> Lock | None:
    """The owner's lock, or None while a living owner holds it; waits for the remains of a dead one."""
    lock = Lock(home.run / "owner.lock")
    if lock.take():
        return lock
    told = False
    for _ in range(60):
        state = home.read_state()
        if state.get("env"):
            lock.release()
            return None
        if not told:
            told = True
            say("waiting for another run.py that is starting or stopping here")
        if lock.take(wait=0.5):
            return lock
    lock.release()
    raise LocalProblem(f"Another run.py holds {home.run} but does not get ready; see {home.log}.")
