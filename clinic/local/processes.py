"""Child processes that cannot outlive their supervisor (decisions.md 32)."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

from clinic.local import keeper as keeper_script
from clinic.local import launch as launch_script

MARK_VARIABLE = "ROUNDS_OWNER"
LOG_BYTES = 20_000_000


class Keeper:
    """Starts children under a watcher; closing it, or dying, ends every child still there.

    A keeper below another one marks its children by another `variable`, so that they carry both marks.
    """

    def __init__(self, *, state_file: Path | None, hold: Sequence[int] = (), variable: str = MARK_VARIABLE) -> None:
        self.mark = f"{variable}={uuid.uuid4().hex}"
        read_end, self._pipe = os.pipe()
        command = [sys.executable, "-I", "-S", keeper_script.__file__, self.mark, str(state_file or "")]
        # The watcher must not carry the mark itself, and shares the owner's lock until all is ended.
        self._process = subprocess.Popen(
            command, stdin=read_end, stdout=subprocess.DEVNULL, pass_fds=hold, start_new_session=True, cwd="/"
        )
        os.close(read_end)

    def spawn(
        self,
        command: Sequence[str],
        *,
        env: Mapping[str, str],
        log: Path | None = None,
        user: str | None = None,
        stop_signal: signal.Signals = signal.SIGTERM,
        cwd: str | Path = "/",
        pass_fds: Sequence[int] = (),
    ) -> Child:
        """Start a program. With a log it gets a session of its own; without, it shares this terminal."""
        launcher = [sys.executable, "-I", "-S", launch_script.__file__]
        own = [str(self._pipe), str(os.getpid()), str(int(stop_signal)), user or "-"]
        name, _, value = self.mark.partition("=")
        output = _open_log(log) if log else None
        try:
            process = subprocess.Popen(
                [*launcher, *own, *command],
                env={**env, name: value},
                cwd=cwd,
                pass_fds=(self._pipe, *pass_fds),
                start_new_session=log is not None,
                stdin=subprocess.DEVNULL if log else None,
                stdout=output,
                stderr=subprocess.STDOUT if log else None,
            )
        finally:
            if output:
                output.close()
        return Child(process, keeper=self, stop_signal=stop_signal)

    def forget(self, pid: int) -> None:
        os.write(self._pipe, f"gone {pid}\n".encode())

    @property
    def pid(self) -> int:
        return self._process.pid

    def close(self) -> None:
        """End what is left and wait until it is gone."""
        with contextlib.suppress(OSError):
            os.close(self._pipe)
        self._process.wait()


def _open_log(file: Path) -> IO[bytes]:
    """Append; a file that has grown large is kept once as .1 first."""
    if file.exists() and file.stat().st_size > LOG_BYTES:
        file.rename(file.with_name(f"{file.name}.1"))
    return file.open("ab")


class Child:
    """One started program and its session."""

    def __init__(self, process: subprocess.Popen[bytes], *, keeper: Keeper, stop_signal: signal.Signals) -> None:
        self._process = process
        self._keeper = keeper
        self._stop_signal = stop_signal
        self.started = time.monotonic()

    @property
    def pid(self) -> int:
        return self._process.pid

    def poll(self) -> int | None:
        return self._process.poll()

    def wait(self) -> int:
        return self._process.wait()

    def ask_to_stop(self) -> None:
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, self._stop_signal)

    def stop(self, grace: float) -> None:
        """Ask, wait up to `grace` seconds, then kill; no process of its session is left afterwards."""
        self.ask_to_stop()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(grace)
        self.kill_rest()

    def kill_rest(self) -> None:
        """SIGKILL for the program, if it lives, and for its orphans (a crashed vLLM leaves its engine)."""
        # While the leader is not waited for, its pid, and so the session's number, cannot be given away.
        for pid in keeper_script.members([keeper_script.Service(self.pid, 0, 0)], None):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if self.poll() is None:
            self._process.kill()
            self._process.wait()
        self._keeper.forget(self.pid)
