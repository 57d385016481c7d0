"""What the files of an evaluation hold, case by case, as rows keep it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from training.evaluation.cases import EvaluationCase
from training.models import Protocol

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class CaseRow:
    """One case: its place, how it opened, what came of it."""

    number: int
    case: EvaluationCase
    result: Row
    episode: Row | None

    def fields(self) -> Row:
        """The columns of an EvaluatedEpisode."""
        failed = bool(self.result.get("error"))
        return {
            "number": self.number,
            "case": self.case.id,
            "opening": asdict(self.case.record.inquiry()),
            "answer": self.case.answer,
            "end": (self.episode or {}).get("end") or "",
            "diagnosis": self.result.get("diagnosis") or "",
            "correct": None if failed else self.result.get("correct"),
            "turns": _turns(self.result),
            "cost": self.result.get("cost") or 0.0,
            "result": self.result,
            "episode": self.episode,
        }


def rows_of(folder: Path, protocol: str, cases: Sequence[EvaluationCase]) -> list[CaseRow]:
    """Those of the cases that were finished, in the order of their set."""
    if protocol == Protocol.SINGLE_TURN:
        single = lines_of(folder / "single_turn.jsonl")
        found = {case: (result, None) for case, result in single.items()}
    else:
        ratings = lines_of(folder / "ratings.jsonl")
        found = {
            case: ({**row["result"], "rubric": ratings.get(case)}, row["episode"])
            for case, row in lines_of(folder / "episodes.jsonl").items()
        }
    return [CaseRow(number, case, *found[case.id]) for number, case in enumerate(cases, 1) if case.id in found]


def lines_of(path: Path) -> dict[str, Row]:
    """The newest line of each case; a line without its line break was never finished."""
    if not path.exists():
        return {}
    rows = [json.loads(line) for line in path.read_bytes().split(b"\n")[:-1]]
    return {row.pop("case"): row for row in rows if "case" in row}


def _turns(result: Row) -> int:
    turns = result.get("turns") or 0
    return len(turns) if isinstance(turns, list) else int(turns)
