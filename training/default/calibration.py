"""The agent's own consultations, said again with the oracle's percentages: rows for an SFT of stated confidence.

python -m training.default.calibration PLAYED OUT.jsonl

PLAYED is a folder of training.default.play; what is done with a consultation is in training/methods/calibration.py.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from tqdm import tqdm

from agents import episodes
from agents.codecs import by_name
from agents.types import Episode
from training.default import rows as files
from training.methods.calibration import calibrated

EVERY = 20
"""One consultation in so many is kept apart for validation."""


def rows(folder: Path) -> list[dict[str, Any]]:
    """One for each consultation that began with an action."""
    config = json.loads((folder / "config.json").read_text())
    codec = by_name(config["codec"])
    found: list[dict[str, Any]] = []
    for episode in tqdm(_played(folder), unit="case", desc="asking the oracle", file=sys.stderr):
        told = asyncio.run(calibrated(episode, codec))
        if told:
            split = "validation" if len(found) % EVERY == EVERY - 1 else "train"
            found.append({"id": episode.case, "split": split, **told, "weight": 1.0})
    if found and all(row["split"] == "train" for row in found):
        found[-1]["split"] = "validation" if len(found) > 1 else "train"
    return found


def _played(folder: Path) -> list[Episode]:
    """In the order they were first finished; the newest line of a case counts."""
    lines = files.read(folder / "sample-0" / "episodes.jsonl")
    newest = {line["case"]: line["episode"] for line in lines if "episode" in line}
    return [episodes.load(told) for told in newest.values()]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("played", type=Path)
    parser.add_argument("out", type=Path)
    told = parser.parse_args()
    found = rows(told.played)
    if not found:
        print("No consultation of the agent ended well enough to learn from.", file=sys.stderr)  # noqa: T201
        return 1
    files.write(told.out, found)
    return 0


if __name__ == "__main__":
    sys.exit(main())
