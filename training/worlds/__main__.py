"""Builds and joins cohorts: `python -m training.worlds build --source virtual --n 6000 --out cohort.jsonl`."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from agents.records import UnreadableFile
from agents.world.model import model
from training.worlds import cohort, sources
from training.worlds.progress import shown
from training.worlds.rows import UnreadableCohort


def main(arguments: list[str] | None = None) -> int:
    """0 and a JSON summary on stdout; 2 and a sentence on stderr where nothing could be built."""
    told = _parser().parse_args(arguments)
    try:
        sys.stdout.write(json.dumps(told.do(told), indent=2, ensure_ascii=False) + "\n")
    except (UnreadableFile, UnreadableCohort, cohort.UnusableCohort, sources.Unasked, OSError) as problem:
        sys.stderr.write(f"{problem}\n")
        return 2
    return 0


def build(told: argparse.Namespace) -> dict[str, object]:
    """One source to one cohort file."""
    wanted = sources.Wanted(told.source, told.path, told.n, told.seed, told.access, told.split)
    found = cohort.collect(shown(sources.rows(wanted), told.n, "records"))
    return _finish(found, told.out, {"source": told.source, "seed": told.seed, "knowledge": model().known.version})


def join(told: argparse.Namespace) -> dict[str, object]:
    """Several cohort files to one; credentialed as soon as one row is."""
    found = cohort.joined(shown(told.files, len(told.files), "files"))
    return _finish(found, told.out, {"source": [file.name for file in told.files]})


def _finish(found: cohort.Cohort, out: Path, told: dict[str, object]) -> dict[str, object]:
    cohort.check(found)
    manifest = cohort.summary(found, {**told, "file": out.name})
    cohort.save(found, out, manifest)
    return manifest


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m training.worlds", description=__doc__)
    doors = parser.add_subparsers(required=True)
    one = doors.add_parser("build", help="rows from one source")
    one.add_argument("--source", required=True, choices=sources.NAMES)
    one.add_argument("path", nargs="?", type=Path, help="the file or folder of every source but virtual")
    one.add_argument("--out", required=True, type=Path)
    one.add_argument("--n", type=int, help="how many virtual patients; of other sources, at most so many records")
    one.add_argument("--seed", type=int, default=0, help="of the virtual patients, or of the split by patient")
    one.add_argument("--access", choices=("public", "credentialed"), help="only to say what the source itself cannot")
    one.add_argument("--split", choices=("train", "validation", "test"), help="put every row into this split")
    one.set_defaults(do=build)
    both = doors.add_parser("join", help="one cohort from several")
    both.add_argument("files", nargs="+", type=Path)
    both.add_argument("--out", required=True, type=Path)
    both.set_defaults(do=join)
    return parser


if __name__ == "__main__":
    sys.exit(main())
