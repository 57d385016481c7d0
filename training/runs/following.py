"""Follows what a trainer writes while it writes: whole new lines of metrics.jsonl, and the ends of its logs."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

LOG_END = 16_000
"""Characters of the log that the page keeps."""
MOST_LINES = 5_000


class Lines:
    """New lines of a JSON lines file; from its beginning again when it was replaced by another."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: tuple[int, int] | None = None
        self._read = 0
        self.unreadable = 0

    def new(self) -> list[dict[str, Any]]:
        """Whole lines since the last call that have a step; what cannot be read is counted."""
        try:
            with self.path.open("rb") as file:
                stat = self.path.stat()
                if self._file != (stat.st_dev, stat.st_ino) or stat.st_size < self._read:
                    self._file, self._read = (stat.st_dev, stat.st_ino), 0
                file.seek(self._read)
                fresh = file.read()
        except FileNotFoundError:
            return []
        whole = fresh[: fresh.rfind(b"\n") + 1]
        self._read += len(whole)
        found = (self._line(line) for line in whole.splitlines()[-MOST_LINES:])
        # The last line of a step counts: the database takes each step once in one statement.
        return list({line["step"]: line for line in found if line}.values())

    def _line(self, text: bytes) -> dict[str, Any] | None:
        try:
            line = json.loads(text)
        except ValueError:
            self.unreadable += 1
            return None
        step = line.get("step") if isinstance(line, dict) else None
        if not isinstance(step, int) or isinstance(step, bool) or not 0 <= step < 2**31:
            self.unreadable += 1
            return None
        told: dict[str, Any] = finite(line)
        return told


def finite(value: Any) -> Any:
    """The same with null for NaN and infinities, which no JSON column holds; a curve has a gap there."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(name).replace("\0", ""): finite(one) for name, one in value.items()}
    if isinstance(value, list):
        return [finite(one) for one in value]
    return value.replace("\0", "") if isinstance(value, str) else value


def ends(*paths: Path) -> str:
    """The last of each file's text, one after the other."""
    parts = [f"== {path.name}\n{end}" for path in paths if (end := tail(path))]
    return "\n".join(parts)[-2 * LOG_END :]


def tail(path: Path, most: int = LOG_END) -> str:
    """The end of a text file, '' where there is none; a progress bar's line shows its last state only."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - most))
            text = file.read().decode(errors="replace")
    except FileNotFoundError:
        return ""
    lines = [line.rsplit("\r", 1)[-1] for line in text.replace("\r\n", "\n").replace("\0", "").split("\n")]
    return "\n".join(line.rstrip() for line in lines if line.strip())
