"""The cases of a GRPO run: virtual training patients, what rewards may know of them, and the physicians' criteria."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from agents.judge import RuleJudge
from agents.rubrics import Criterion
from agents.types import Episode
from training.evaluation.cases import EvaluationCase, virtual_case
from training.methods import control, information, physicians
from training.methods.rewards import Context
from training.rundir import RunFolderError

TRAINING = "virtual:train:"


@dataclass(frozen=True)
class TrainingCase:
    """One row of data.jsonl: {"case", "weight", "criteria": [those whose verdicts may be a reward]}."""

    case: EvaluationCase
    criteria: tuple[Criterion, ...] = ()
    weight: float = 1.0


def read(rows: Iterable[Mapping[str, Any]]) -> list[TrainingCase]:
    """The cases of a run folder; RunFolderError for any that is no virtual patient of the training split."""
    found = []
    for row in rows:
        if not str(row["case"]).startswith(TRAINING):
            raise RunFolderError(f"{row['case']} is no virtual patient of the training split.")
        criteria = tuple(Criterion(**one) for one in row.get("criteria", ()))
        found.append(TrainingCase(virtual_case(row["case"]), criteria, min(1.0, float(row.get("weight", 1.0)))))
    if not found:
        raise RunFolderError("data.jsonl has no cases to play.")
    return found


async def contexts(
    case: TrainingCase,
    episodes: Sequence[Episode],
    *,
    draws: random.Random,
    references: bool,
    accounts: bool = False,
) -> tuple[list[Context], int]:
    """(what rewards may know of each episode, verdicts that failed).

    `references` where exam F1 is a reward, `accounts` where information or cost is.
    """
    judge = RuleJudge()
    wanted = case.case.reference_examinations if references else ()  # the oracle plans about 1.5 s for each patient
    found, errors = [], 0
    for episode in episodes:
        extra: dict[str, Any] = {control.EXTRA: draws.random()}
        if accounts:
            extra[information.EXTRA] = await information.account(episode)
        if case.criteria:
            told = await physicians.rated(episode, case.criteria, judge)
            errors += told["errors"]
            extra[physicians.EXTRA] = {**told, "weight": case.weight}
        found.append(Context(case.case.answer, wanted, extra=extra))
    return found, errors
