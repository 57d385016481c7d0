"""Checks condition files: `python -m agents.knowledge FILE...` prints each file's first fault, or that it is well."""

from __future__ import annotations

import sys
from pathlib import Path

from agents.knowledge.conditions import check_references, condition, vocabulary
from agents.knowledge.files import KnowledgeError, parsed


def main(paths: list[Path]) -> int:
    """Exit status 1 if a file is wrong."""
    faults = 0
    known = vocabulary()
    for path in paths:
        try:
            parsed(path, schema="condition")
            check_references(condition(path), known, path)
            print(f"{path.name}: ok")  # noqa: T201
        except KnowledgeError as error:
            faults += 1
            print(error)  # noqa: T201
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main([Path(name) for name in sys.argv[1:]]))
