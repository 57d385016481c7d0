"""Evaluation folders as training.default.play leaves them, from results that a test names."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from training.evaluation.end_to_end import CaseResult


def result(case: str, **told: Any) -> CaseResult:
    usual = {"centre": "virtual", "end": "FINISH", "turns": 4, "cost": 100.0, "confidence": 0.5}
    return CaseResult(case=case, **{**usual, **told})


def write(folder: Path, results: Sequence[CaseResult], oracle: Sequence[CaseResult], sample: int = 0) -> None:
    place = folder / f"sample-{sample}"
    place.mkdir(parents=True, exist_ok=True)
    for name, rows in (("episodes.jsonl", results), ("oracle.jsonl", oracle)):
        lines = [{"header": {}}, *({"case": row.case, "episode": {}, "result": row.as_dict()} for row in rows)]
        (place / name).write_text("".join(json.dumps(line) + "\n" for line in lines))
    (folder / "manifest.json").write_text(json.dumps({"files": {}}))
