"""The rows a trainer reads: of the run's snapshot, or drawn from the virtual clinic; data.jsonl of the run folder."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from typing import Any
from uuid import UUID

from agents.judge import RuleJudge
from agents.world.virtual import UnknownCase, case_id, open_case
from clinic.models import RubricVersion
from clinic.services.errors import Refused
from training import lineage, snapshots
from training.models import Run, Split, TrainerName
from training.rewards_by_judge import criteria_for_reward
from training.worlds import rows as cohorts
from training.worlds import virtual

PATIENTS = 400
"""Virtual patients of a world model's run, unless its settings name `patients`."""
CASES = 64
"""Virtual patients of the training split that a GRPO run plays, unless its settings name `cases`."""
SEEDS = 1000
"""Each seed plays other patients; after so many the first come again."""


def of(run: Run) -> Iterator[Mapping[str, Any]]:
    """What data.jsonl holds, in a fixed order. Raises Refused."""
    if run.trainer == TrainerName.WORLD:
        return _patients(count=int(run.config.get("patients", PATIENTS)), seed=run.seed % virtual.SEEDS)
    if run.trainer == TrainerName.GRPO:
        return _cases(run)
    assert run.snapshot is not None  # runs.start refuses these trainers without one
    return snapshots.rows(run.snapshot, lineage.FORMAT_OF[run.trainer])


def _patients(*, count: int, seed: int) -> Iterator[Mapping[str, Any]]:
    """Training and validation rows; those of the test split never enter a run folder."""
    drawn = (row for row in virtual.draw(count, seed) if isinstance(row, cohorts.Row))
    return (row.as_dict() for row in drawn if row.split != "test")


def _cases(run: Run) -> Iterator[Mapping[str, Any]]:
    """Virtual patients to play, each with the criteria that physicians judged and a rule may reward."""
    judged = list(snapshots.rows(run.snapshot, "grpo")) if run.snapshot else []
    allowed = {version: _allowed(version) for version in sorted({row["rubric_version"] for row in judged})}
    shared = _once(one for criteria in allowed.values() for one in criteria)
    seen: set[str] = set()
    for row in judged:
        if row["split"] == Split.TRAIN and row["case"] not in seen and _can_be_played(row["case"]):
            seen.add(row["case"])
            yield {"case": row["case"], "weight": min(1.0, row["weight"]), "criteria": shared}
    count = int(run.config.get("cases", CASES))
    first = (run.seed % SEEDS) * count
    for number in range(first, first + count):
        case = case_id("train", number)
        if case not in seen:
            yield {"case": case, "weight": 1.0, "criteria": shared}


def _can_be_played(case: str) -> bool:
    """A training patient of the present knowledge: one of an earlier knowledge is another patient now."""
    try:
        return case.startswith("virtual:train:") and bool(open_case(case))
    except UnknownCase:
        return False


def _once(criteria: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Versions of a rubric share criteria: each counts once in the score."""
    return list({json.dumps(one, sort_keys=True, default=str): one for one in criteria}.values())


def _allowed(version: str) -> list[dict[str, Any]]:
    """Criteria on which the rules agree with physicians; none where nobody vouches for any of them."""
    rubric = RubricVersion.objects.get(pk=UUID(version))
    try:
        found = criteria_for_reward(rubric, identity=RuleJudge.identity)
    except Refused:
        return []
    return [asdict(one) for one in found]
