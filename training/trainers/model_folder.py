"""A model folder's manifest: what its files are, and the content name that everything else refers to."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from training.rundir import sha256, write_json


def describe(folder: Path, **told: Any) -> str:
    """Write manifest.json with what is `told` and the files' digests; the content, sha256 over these, is returned."""
    names = sorted(path.name for path in folder.iterdir() if path.is_file() and path.name != "manifest.json")
    files = {name: {"sha256": sha256(folder / name), "bytes": (folder / name).stat().st_size} for name in names}
    listed = "".join(f"{name}={files[name]['sha256']}\n" for name in names)
    content = hashlib.sha256(listed.encode()).hexdigest()
    write_json(folder / "manifest.json", {**told, "content": content, "files": files})
    return content
