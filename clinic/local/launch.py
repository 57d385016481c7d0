"""Becomes a service: reports itself to the keeper, gives up root where asked, then turns into the program.

A script run by path with `python -I -S`, so that it costs milliseconds and imports nothing of Rounds:
`launch.py KEEPER_FD PARENT_PID STOP_SIGNAL USER_OR_DASH PROGRAM ARGUMENT...`
"""

from __future__ import annotations

import ctypes
import os
import pwd
import sys

PR_SET_PDEATHSIG = 1


def start_time(pid: int) -> int:
    """When the process began, in clock ticks since boot: with the pid, the identity of a process."""
    with open(f"/proc/{pid}/stat") as file:
        return int(file.read().rpartition(")")[2].split()[19])


def main(arguments: list[str]) -> None:
    keeper, parent, stop_signal = (int(argument) for argument in arguments[:3])
    user, program = arguments[3], arguments[4:]
    # Before anything can go wrong: from here on the keeper ends this process if the supervisor dies.
    os.write(keeper, f"start {os.getpid()} {start_time(os.getpid())} {stop_signal}\n".encode())
    os.close(keeper)
    if user != "-":
        give_up_root(user)
    # A second belt, for a keeper that was killed too. After the change of user, which would clear it.
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, stop_signal)
    if os.getppid() != parent:
        sys.exit(f"launch: the supervisor {parent} is gone")
    try:
        os.execvp(program[0], program)
    except OSError as error:
        sys.exit(f"launch: {program[0]} cannot be started: {error.strerror}")


def give_up_root(user: str) -> None:
    account = pwd.getpwnam(user)
    os.setgroups([])
    os.setgid(account.pw_gid)
    os.setuid(account.pw_uid)
    os.environ.update(HOME="/", USER=user, LOGNAME=user)


if __name__ == "__main__":
    main(sys.argv[1:])
