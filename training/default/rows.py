"""Files of JSON rows, written whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

Row = dict[str, Any]
NAME, GROWING = "rows.jsonl", "growing.jsonl"
"""Whole, and while somebody writes it line by line."""


def write(path: Path, rows: Iterable[Row]) -> None:
    fresh = path.with_suffix(".new")
    with fresh.open("w") as file:
        file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    fresh.rename(path)


def read(path: Path) -> Iterator[Row]:
    with path.open() as file:
        yield from map(json.loads, file)
