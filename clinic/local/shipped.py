"""The shipped agent: its adapter in agents/weights/agent-default, checked byte by byte, merged into the base once.

A script too (`python -m clinic.local.shipped INTO`): it merges into the weights folder, where the base has to be.
Without torch; where no adapter is shipped, nobody asks for this.
"""

from __future__ import annotations

import json
import sys
from functools import lru_cache
from pathlib import Path
from typing import Any

from agents.weights import merge
from clinic.local import weights
from clinic.local.home import ROOT
from clinic.local.problem import LocalProblem

ADAPTER = ROOT / "agents" / "weights" / "agent-default"
CHANGED = (
    "The shipped agent in {folder} is not what its manifest says: {what}. Fetch it anew, or set ROUNDS_MODEL=smollm2 to"
    " serve the untrained base."
)


def shipped(adapter: Path | None = None) -> dict[str, Any] | None:
    """The manifest of the shipped adapter, None where there is none; LocalProblem where a byte of it was changed."""
    adapter = adapter or ADAPTER
    manifest = adapter / "manifest.json"
    if not manifest.is_file():
        return None
    told: dict[str, Any] = json.loads(manifest.read_text())
    for name, digest in told["files"].items():
        path = adapter / name
        if not path.is_file():
            raise LocalProblem(CHANGED.format(folder=adapter, what=f"{name} is missing"))
        stamp = path.stat()
        if _sha256(path, stamp.st_size, stamp.st_mtime_ns, stamp.st_ctime_ns) != digest:
            raise LocalProblem(CHANGED.format(folder=adapter, what=f"{name} was changed"))
    return told


@lru_cache(maxsize=8)
def _sha256(path: Path, *stamp: int) -> str:
    return merge.sha256(path)


def version_of(told: dict[str, Any]) -> str:
    """The version's name, made of the adapter's content."""
    return f"dx-{told['content'][:12]}"


def folder_of(told: dict[str, Any], into: Path) -> Path:
    """The merged model's folder below the weights folder, made or not."""
    return into / version_of(told)


def make(into: Path, adapter: Path | None = None) -> Path:
    """Merge, unless that is done. LocalProblem where no adapter is shipped, it was changed, or its base is another."""
    adapter = adapter or ADAPTER
    told, base = shipped(adapter), weights.find(into)
    if told is None or base is None:
        raise LocalProblem("The shipped agent cannot be made: its adapter or its base weights are missing.")
    folder = folder_of(told, into)
    try:
        merge.merge(adapter, base, folder)
    except (merge.CannotMerge, OSError, KeyError, ValueError) as problem:
        raise LocalProblem(f"The shipped agent could not be merged into its base: {problem}.") from problem
    return folder


def adapter_of(version: str) -> Path | None:
    """The shipped adapter's folder, where it is that version's; LocalProblem where it was changed."""
    told = shipped()
    return ADAPTER if told and version_of(told) == version else None


def main() -> int:
    try:
        make(Path(sys.argv[1]).resolve())
    except LocalProblem as problem:
        print(problem, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
