"""What a run runs on and how full it is: NVIDIA's own table where there is one, else processor and memory."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from pathlib import Path
from typing import Any

from clinic.local.keeper import Service, members

COLUMNS = ("index", "name", "utilization.gpu", "memory.used", "memory.total", "temperature.gpu", "power.draw")
NAMES = ("index", "name", "busy", "used_mb", "total_mb", "celsius", "watts")
SECONDS = 5.0
PAGE = os.sysconf("SC_PAGE_SIZE")


def table(session: int | None = None) -> dict[str, Any]:
    """{"gpus": [...], "cpu": {...}}; `session` is the trainer's, whose memory is told apart from the machine's."""
    return {"gpus": gpus(), "cpu": machine(session)}


def gpus() -> list[dict[str, Any]]:
    """One row per NVIDIA GPU: busy in percent, memory in MiB; [] without any."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return []
    command = [program, f"--query-gpu={','.join(COLUMNS)}", "--format=csv,noheader,nounits"]
    try:
        told = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=True).stdout
    except (subprocess.SubprocessError, OSError):
        # Also what a machine with the program and without a device answers.
        return []
    return parsed(told)


def parsed(told: str) -> list[dict[str, Any]]:
    """Rows of nvidia-smi's CSV; a value that it does not know ("[N/A]") is None."""
    rows = [[cell.strip() for cell in line.split(",")] for line in told.splitlines() if line.strip()]
    return [
        {name: cell if name == "name" else _number(cell) for name, cell in zip(NAMES, row, strict=True)}
        for row in rows
        if len(row) == len(NAMES)
    ]


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def machine(session: int | None) -> dict[str, Any]:
    """Cores, load of the last minute, memory of the machine and of the trainer's session, in MiB."""
    memory = _meminfo()
    return {
        "name": _processor(),
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 2),
        "total_mb": memory.get("MemTotal", 0) // 1024,
        "free_mb": memory.get("MemAvailable", 0) // 1024,
        "used_mb": _resident(session) // 2**20 if session else None,
    }


def _meminfo() -> dict[str, int]:
    lines = Path("/proc/meminfo").read_text().splitlines()
    return {line.split(":")[0]: int(line.split()[1]) for line in lines}


def _resident(session: int) -> int:
    """Bytes in memory of every process of the session."""
    total = 0
    for pid in {session, *members([Service(session, 0, 0)], None)}:
        try:
            total += int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE
        except OSError:  # it ended meanwhile
            continue
    return total


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    named = (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.machine())
