"""Stage folders of the chain: when one is whole, and the content that the next ones rest on."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

NOT_CONTENT = {"log.txt", "metrics.jsonl", "config.json", "manifest.json", "checkpoints", ".scratch"}
"""Times, paths and speeds: two runs of the same make differ in them."""


def is_whole(folder: Path) -> bool:
    """The manifest is written last."""
    return (folder / "manifest.json").is_file()


def content(folder: Path) -> str:
    """sha256 over what a stage has made, by the digests of its manifest; FileNotFoundError while it is not whole."""
    files: dict[str, str] = manifest(folder)["files"]
    kept = {name: digest for name, digest in files.items() if _counts(name)}
    return hashlib.sha256("".join(f"{name}={kept[name]}\n" for name in sorted(kept)).encode()).hexdigest()


def manifest(folder: Path) -> dict[str, Any]:
    read: dict[str, Any] = json.loads((folder / "manifest.json").read_text())
    return read


def _counts(name: str) -> bool:
    return not name.endswith(".log") and NOT_CONTENT.isdisjoint(name.split("/"))
