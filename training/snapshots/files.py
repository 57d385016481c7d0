"""The files of a snapshot: the same bytes for the same content, checked whenever they are read."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from clinic.services.errors import Refused
from training import places
from training.models import Snapshot

SENTENCES = {
    "gone": "The files of this snapshot are not here any more. Make it again, or rebuild it without what was deleted.",
    "changed": "{name} of this snapshot is not what was frozen. Nothing was read; rebuild the snapshot.",
    "format": "A snapshot has no rows of the format {name}; there are {known}.",
}


def lines(rows: Sequence[Mapping[str, Any]]) -> bytes:
    return "".join(canonical(row) + "\n" for row in rows).encode()


def canonical(content: Any) -> str:
    """The one way in which content is written before it is hashed."""
    return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def folder_of(snapshot: Snapshot) -> Path:
    return places.snapshots() / snapshot.folder


def write(digest: str, contents: Mapping[str, bytes]) -> None:
    """A folder named by the digest, there whole or not at all; one that is there and differs is replaced."""
    target = places.snapshots() / digest
    if all(_holds(target / name, content) for name, content in contents.items()):
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{digest[:12]}-"))
    try:
        for name, content in contents.items():
            (fresh / name).write_bytes(content)
        if target.exists():
            target.rename(fresh / "before")
        fresh.chmod(0o755)
        os.rename(fresh, target)
    except OSError:
        shutil.rmtree(fresh, ignore_errors=True)
        raise
    shutil.rmtree(target / "before", ignore_errors=True)


def rows(snapshot: Snapshot, format: str, split: str | None = None) -> Iterator[dict[str, Any]]:
    """Rows of one format, of one split or of both, in the order of the file; Refused where it is not as frozen."""
    told = snapshot.manifest["formats"].get(format)
    if told is None:
        known = ", ".join(sorted(snapshot.manifest["formats"]))
        raise Refused(SENTENCES["format"].format(name=format, known=known))
    content = read(snapshot, f"{format}.jsonl", told["sha256"])
    found = (json.loads(line) for line in content.decode().split("\n") if line)
    return (row for row in found if split in (None, row["split"]))


def read(snapshot: Snapshot, name: str, expected: str) -> bytes:
    path = folder_of(snapshot) / name
    if not path.exists():
        raise Refused(SENTENCES["gone"])
    content = path.read_bytes()
    if sha256(content) != expected:
        raise Refused(SENTENCES["changed"].format(name=name))
    return content


def are_there(snapshot: Snapshot) -> bool:
    return folder_of(snapshot).exists()


def remove(snapshot: Snapshot) -> None:
    """What a purged case said is in the files; the manifest stays in the row."""
    folder = folder_of(snapshot)
    if folder.exists():
        shutil.rmtree(folder)


def _holds(path: Path, content: bytes) -> bool:
    return path.exists() and path.read_bytes() == content
