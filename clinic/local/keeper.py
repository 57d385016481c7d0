"""Watches the supervisor over a pipe; when the supervisor is gone, ends whatever it had started.

A script run by path with `python -I -S`: `keeper.py MARK STATE_FILE`, the pipe as standard input. Lines on it:
`start PID START_TIME STOP_SIGNAL` (from launch.py) and `gone PID` (from the supervisor). At end of file every
service gets its stop signal, and after a grace SIGKILL goes to all that is left: the services' sessions, and
every process that carries MARK in its environment (some programs overwrite theirs, some change session; few do
both). It holds the supervisor's lock until then, so that a new start cannot meet the remains of the old one.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time

GRACE_SECONDS = 15.0
STRAY_SECONDS = 2.0
"""What is left once the services themselves are gone was never asked to stop; it gets no more than this."""


class Service:
    def __init__(self, pid: int, started: int, stop_signal: int) -> None:
        self.pid, self.started, self.stop_signal = pid, started, stop_signal


def main(mark: str, state_file: str) -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    services: dict[int, Service] = {}
    for line in sys.stdin.buffer:
        word, *numbers = line.decode().split()
        if word == "start":
            pid, started, stop_signal = (int(number) for number in numbers)
            services[pid] = Service(pid, started, stop_signal)
        elif word == "gone":
            services.pop(int(numbers[0]), None)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(state_file)
    end(list(services.values()), mark)


def end(services: list[Service], mark: str) -> None:
    # Last started, first stopped: the database goes after those who write to it.
    for service in reversed(services):
        ask_to_stop(service)
    deadline = time.monotonic() + GRACE_SECONDS
    services_gone = False
    while (left := members(services, mark)) and time.monotonic() < deadline:
        if not services_gone and not {service.pid for service in services} & set(left):
            services_gone = True
            deadline = min(deadline, time.monotonic() + STRAY_SECONDS)
        time.sleep(0.05)
    while left:
        for pid in left:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.05)
        left = members(services, mark)


def ask_to_stop(service: Service) -> None:
    with contextlib.suppress(OSError):
        if read_stat(service.pid)[1] != service.started:
            return
        if os.getpgid(service.pid) == service.pid:
            os.killpg(service.pid, service.stop_signal)
        else:
            os.kill(service.pid, service.stop_signal)


def members(services: list[Service], mark: str | None) -> list[int]:
    """Every live process that belongs to a service or carries the mark (if given), this one excepted."""
    sessions = {service.pid: service.started for service in services}
    pids = [int(name) for name in os.listdir("/proc") if name.isdigit() and int(name) != os.getpid()]
    return [pid for pid in pids if belongs(pid, sessions, mark)]


def belongs(pid: int, sessions: dict[int, int], mark: str | None) -> bool:
    try:
        session, started = read_stat(pid)
        if pid in sessions:
            return started == sessions[pid]
        if session in sessions and started >= sessions[session]:
            return True
        if mark is None:
            return False
        with open(f"/proc/{pid}/environ", "rb") as file:
            return mark.encode() in file.read()
    except OSError:  # it ended meanwhile, or belongs to someone else
        return False


def read_stat(pid: int) -> tuple[int, int]:
    """Session and start time; a zombie counts as gone."""
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rpartition(")")[2].split()
    if fields[0] == "Z":
        raise ProcessLookupError(pid)
    return int(fields[3]), int(fields[19])


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
