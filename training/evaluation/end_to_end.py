"""End-to-end protocol: whole consultations scored, every case in every denominator (system.md 3.3, E2).

A case that ended without a diagnosis (malformed, out of turns, deferred) is wrong. A case whose environment or judge
failed has no outcome: it is counted as an error, runs again on resume, and is in no metric until then.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agents import episodes
from agents.judge import JudgeError, LanguageJudge
from agents.matching import ListingRule, match_examinations, settle_diagnosis
from agents.matching.exams import harmonic
from agents.types import End, Episode
from training.evaluation import calibration
from training.evaluation.cases import IN_SCOPE, OUT_OF_SCOPE, SCOPE, EvaluationCase
from training.evaluation.statistics import bootstrap_ci, ratio_ci, share_ci

Array = NDArray[np.float64]
UNDECIDED, BY_JUDGE = "undecided", "judge"
"""What settled a diagnosis (agents.matching) where the table could not."""
UNSCORED = "unscored: "
"""Begins the error of a case whose judge failed: its consultation is whole and is only judged again."""


@dataclass(frozen=True, slots=True)
class CaseResult:
    """One scored consultation; `error` set means no outcome. `how` says what decided the diagnosis."""

    case: str
    centre: str
    end: str
    correct: bool = False
    how: str = ""
    diagnosis: str | None = None
    answer: str = ""
    precision: float = 0.0
    recall: float = 0.0
    f1: float = 0.0
    examinations: int = 0
    turns: int = 0
    cost: float = 0.0
    malformed_turns: int = 0
    confidence: float | None = None
    seconds: float = 0.0
    subgroups: Mapping[str, str] = field(default_factory=dict)
    error: str | None = None

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


async def score(
    episode: Episode, case: EvaluationCase, *, judge: LanguageJudge | None = None, rule: ListingRule | None = None
) -> CaseResult:
    """The result of one episode. A judge that fails leaves the case unscored, never wrong."""
    base = CaseResult(
        case=case.id,
        centre=case.centre,
        end=str(episode.end),
        diagnosis=episode.diagnosis,
        answer=case.answer,
        turns=episode.agent_turns,
        cost=episode.cost.get("usd", 0.0),
        malformed_turns=episodes.malformed_turns(episode),
        confidence=episodes.confidence(episode),
        seconds=episode.seconds,
        subgroups=dict(case.subgroups),
    )
    if episode.end is End.ENV_ERROR:
        return replace(base, error=episode.error or "the environment failed")
    try:
        correct, how = await _diagnosis(episode, case, judge, rule or ListingRule())
    except JudgeError as error:
        return replace(base, error=f"{UNSCORED}{error}")
    agreement = match_examinations(episodes.ordered(episode), case.reference_examinations)
    return replace(
        base,
        correct=correct,
        how=how,
        precision=agreement.precision,
        recall=agreement.recall,
        f1=agreement.f1,
        examinations=len(agreement.asked),
    )


async def _diagnosis(
    episode: Episode, case: EvaluationCase, judge: LanguageJudge | None, rule: ListingRule
) -> tuple[bool, str]:
    if episode.end is not End.FINISH:
        return False, f"no diagnosis ({episode.end})"
    opinion = judge.same_diagnosis if judge else None
    match = await settle_diagnosis(episode.diagnosis, case.answer, rule=rule, second_opinion=opinion)
    return bool(match.correct), match.how


def summarise(
    results: Sequence[CaseResult], *, oracle: Sequence[CaseResult] | None = None, seed: int = 0
) -> dict[str, Any]:
    """The metrics of contracts.md and more; shares 0..1, cost in US dollars, intervals 95 % bootstrap.

    `n` counts every case asked for, `scored` those with an outcome; metrics are over the scored and None without any.
    `oracle` are the greedy oracle's results on the same cases in the same order; cases scored on both sides count.
    """
    scored = [result for result in results if result.error is None]
    table = _table(scored)
    names = ("accuracy", "precision", "recall", "f1_mean_per_case", "turns", "cost", "examinations")
    summary: dict[str, Any] = {"n": len(results), "scored": len(scored), "errors": len(results) - len(scored)}
    summary |= {name: _mean(table[:, column]) for column, name in enumerate(names)}
    summary["f1_of_means"] = harmonic(summary["precision"], summary["recall"]) if scored else None
    summary["ci"] = {name: bootstrap_ci(table[:, column], seed=seed) for column, name in enumerate(names)}
    summary["ci"]["accuracy"] = share_ci(table[:, 0], seed=seed)
    summary["ci"]["f1_of_means"] = bootstrap_ci(table[:, 1:3], statistic=f1_of_means, seed=seed)
    for part in (_ends(scored, seed), _relative(results, oracle, seed), _scope(scored, seed)):
        summary["ci"] |= part.pop("ci")
        summary |= part
    return summary | _confidence(scored) | _judged(results)


def f1_of_means(sample: Array) -> Array:
    """Harmonic mean of the mean precision and the mean recall; (..., n, 2) -> (..., 1)."""
    precision, recall = np.moveaxis(sample.mean(axis=-2), -1, 0)
    total = precision + recall
    return np.asarray(np.where(total > 0, 2 * precision * recall / np.where(total > 0, total, 1), 0.0))[..., None]


def _table(scored: Sequence[CaseResult]) -> Array:
    rows = [(r.correct, r.precision, r.recall, r.f1, r.turns, r.cost, r.examinations) for r in scored]
    return np.array(rows, dtype=float).reshape(len(rows), 7)


def _mean(column: Array) -> float | None:
    return float(column.mean()) if len(column) else None


def _relative(results: Sequence[CaseResult], oracle: Sequence[CaseResult] | None, seed: int) -> dict[str, Any]:
    """Accuracy over the oracle's, both on the cases that were scored on both sides."""
    pairs = list(zip(results, oracle or (), strict=True)) if oracle is not None else []
    both = [(mine.correct, his.correct) for mine, his in pairs if mine.error is None and his.error is None]
    mine, his = [pair[0] for pair in both], [pair[1] for pair in both]
    return {
        "oracle_accuracy": sum(his) / len(his) if his else None,
        "accuracy_over_oracle": sum(mine) / sum(his) if any(his) else None,
        "ci": {"accuracy_over_oracle": ratio_ci(mine, his, seed=seed) if both else None},
    }


def _judged(results: Sequence[CaseResult]) -> dict[str, Any]:
    """What the table could not decide: left undecided (no judge), settled by the judge, or lost with it."""
    return {
        "undecided": sum(r.how == UNDECIDED and r.error is None for r in results),
        "judged": sum(r.how == BY_JUDGE and r.error is None for r in results),
        "unjudged": sum((r.error or "").startswith(UNSCORED) for r in results),
    }


def _ends(scored: Sequence[CaseResult], seed: int) -> dict[str, Any]:
    """Shares of how consultations ended."""
    groups = {
        "completed": (End.FINISH,),
        "malformed": (End.MALFORMED,),
        "deferred": (End.DEFER,),
        "capped": (End.MAX_TURNS, End.TOKEN_BUDGET),
    }
    ended = {name: [r.end in [str(end) for end in ends] for r in scored] for name, ends in groups.items()}
    shares = {name: sum(those) / len(those) if those else None for name, those in ended.items()}
    return {**shares, "ci": {name: share_ci(those, seed=seed) for name, those in ended.items()}}


def _scope(scored: Sequence[CaseResult], seed: int) -> dict[str, Any]:
    """Right where it was taught the diagnosis, deferred where it was not; nothing where no case was placed."""
    inside, outside = ([r for r in scored if r.subgroups.get(SCOPE) == group] for group in (IN_SCOPE, OUT_OF_SCOPE))
    found = {
        "accuracy_in_scope": [r.correct for r in inside],
        "deferred_in_scope": [r.end == str(End.DEFER) for r in inside],
        "deferred_out_of_scope": [r.end == str(End.DEFER) for r in outside],
    }
    told = {name: column for name, column in found.items() if column}
    numbers = {"in_scope": len(inside), "out_of_scope": len(outside)} if told else {}
    shares = {name: sum(column) / len(column) for name, column in told.items()}
    return {**numbers, **shares, "ci": {name: share_ci(column, seed=seed) for name, column in told.items()}}


def _confidence(scored: Sequence[CaseResult]) -> dict[str, Any]:
    told = [(r.confidence, r.correct) for r in scored if r.confidence is not None and r.end == str(End.FINISH)]
    stated, correct = [p for p, _ in told], [y for _, y in told]
    outcome = [r.correct if r.end == str(End.FINISH) else None for r in scored]
    points = calibration.risk_coverage([r.confidence for r in scored], outcome)
    return {
        "ece": calibration.ece(stated, correct),
        "brier": calibration.brier(stated, correct),
        "risk_coverage": [asdict(point) for point in points],
        "area_under_risk": calibration.area_under_risk(points),
    }
