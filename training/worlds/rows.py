"""One row of a cohort: a patient's profile and the results of the examinations, in steps of time."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

from agents.world.grammar import Event

Split = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = ("train", "validation", "test")
Access = Literal["public", "credentialed"]


class UnreadableCohort(ValueError):
    """A cohort file or a line of it is not what `write` makes; `str()` says where."""


@dataclass(frozen=True, slots=True)
class Row:
    """`profile` ends with the diagnosis and has no heading; `groups` are steps of time, physical examination first."""

    id: str
    patient: str
    split: Split
    origin: str
    access: Access
    profile: str
    diagnosis: str
    groups: tuple[tuple[Event, ...], ...]

    @property
    def events(self) -> list[Event]:
        """All examinations in order."""
        return [event for group in self.groups for event in group]

    def as_dict(self) -> dict[str, Any]:
        groups = [[{"name": event.name, "result": event.result} for event in group] for group in self.groups]
        return {
            "id": self.id,
            "patient": self.patient,
            "split": self.split,
            "origin": self.origin,
            "access": self.access,
            "profile": self.profile,
            "diagnosis": self.diagnosis,
            "groups": groups,
        }


def row_of(data: dict[str, Any]) -> Row:
    """The inverse of `as_dict`; raises UnreadableCohort."""
    try:
        groups = tuple(tuple(Event(str(e["name"]), str(e["result"])) for e in group) for group in data["groups"])
        told = {key: str(data[key]) for key in ("id", "patient", "origin", "profile", "diagnosis")}
        split, access = str(data["split"]), str(data["access"])
    except (KeyError, TypeError) as error:
        raise UnreadableCohort(f"a row has no {error}" if isinstance(error, KeyError) else "not a row") from error
    if split not in SPLITS or access not in ("public", "credentialed"):
        raise UnreadableCohort(f"row {told['id']}: split {split!r}, access {access!r}")
    return Row(**told, split=cast(Split, split), access=cast(Access, access), groups=groups)


def read(path: Path) -> Iterator[Row]:
    """The rows of a cohort file; raises UnreadableCohort with the line."""
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            try:
                yield row_of(json.loads(line))
            except ValueError as error:
                raise UnreadableCohort(f"{path.name}, line {number}: {error}") from error


def write(path: Path, rows: Iterable[Row]) -> None:
    """One JSON object a line."""
    with path.open("w", encoding="utf-8") as file:
        file.writelines(f"{_line(row)}\n" for row in rows)


def digest(rows: Iterable[Row]) -> str:
    """The identity of a cohort: sha256 over its rows, whatever their order in the file."""
    whole = hashlib.sha256()
    for one in sorted(hashlib.sha256(_line(row).encode()).hexdigest() for row in rows):
        whole.update(one.encode())
    return f"sha256:{whole.hexdigest()}"


def access_of(rows: Iterable[Row]) -> Access:
    """One credentialed row makes the whole cohort credentialed."""
    return "credentialed" if any(row.access == "credentialed" for row in rows) else "public"


def _line(row: Row) -> str:
    return json.dumps(row.as_dict(), ensure_ascii=False)
