"""The file of one evaluation: a header, then one line per finished case; what is in it is not played again."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any


class OtherRun(ValueError):
    """The file belongs to another evaluation; the message names what differs."""


class RunFile:
    """Appends JSON lines; a line torn by a crash is dropped and its case played again.

    The same header must come back on resume, or results of two policies would mix: OtherRun.
    """

    def __init__(self, path: Path, header: dict[str, Any]) -> None:
        self.path = path
        self.header: dict[str, Any] = json.loads(json.dumps(header))
        self.rows: dict[str, dict[str, Any]] = {}
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists() and path.stat().st_size:
            self._read()
        else:
            self._append({"header": self.header})

    def add(self, case: str, row: dict[str, Any]) -> None:
        """Keep what came of a case; the newest line of a case counts."""
        self.rows[case] = row
        self._append({"case": case, **row})

    def _read(self) -> None:
        lines = self.path.read_bytes().split(b"\n")
        # Only a line with its line break was written whole.
        whole, torn = lines[:-1], lines[-1]
        if torn:
            os.truncate(self.path, self.path.stat().st_size - len(torn))
        rows = [json.loads(line) for line in whole]
        if not rows or "header" not in rows[0]:
            raise OtherRun(f"{self.path.name} is not the file of an evaluation")
        self._check(rows[0]["header"])
        self.rows = {row.pop("case"): row for row in rows[1:]}

    def _check(self, found: dict[str, Any]) -> None:
        names = sorted({*found, *self.header})
        other = [name for name in names if found.get(name) != self.header.get(name)]
        if other:
            raise OtherRun(f"{self.path.name} holds another evaluation: {', '.join(other)} differ")

    def _append(self, row: dict[str, Any]) -> None:
        with self.path.open("ab") as file:
            file.write(json.dumps(row, ensure_ascii=False).encode() + b"\n")
