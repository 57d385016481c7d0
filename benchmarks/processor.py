"""Processor time of processes and their descendants, from /proc."""

from __future__ import annotations

import os
from pathlib import Path

TICK = 1 / os.sysconf("SC_CLK_TCK")


def family(pid: int) -> list[int]:
    """The process and everything it has started."""
    parents: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            fields = _stat(int(name))
            if fields:
                parents.setdefault(int(fields[1]), []).append(int(name))
    found = [pid]
    for each in found:
        found += parents.get(each, [])
    return found


def seconds(pid: int, *, with_children: bool = True) -> float:
    """User and system time so far of the process, and of its descendants that live."""
    return sum(_own(each) for each in (family(pid) if with_children else [pid]))


def _own(pid: int) -> float:
    fields = _stat(pid)
    # Fields 14 and 15 of proc(5).
    return sum(map(int, fields[11:13])) * TICK if fields else 0.0


def _stat(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []
