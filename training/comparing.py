"""Two evaluations of this site side by side: whether they may be compared, and on which cases they part."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from clinic.models import User
from clinic.services.errors import Refused
from training.evaluation.comparison import Difference, differences
from training.models import EvaluatedEpisode, Evaluation, EvaluationStatus

SAME = (
    ("protocol", "protocol"),
    ("case_set", "set of cases"),
    ("case_seed", "virtual patients (case seed)"),
    ("contents", "contents of the cases"),
    ("limits", "limits of a consultation"),
    ("judge", "judge"),
)
"""What two evaluations must share, or a difference between them would not be one between their policies."""


@dataclass(frozen=True, slots=True)
class Pair:
    """One case in both evaluations."""

    candidate: EvaluatedEpisode
    baseline: EvaluatedEpisode


@dataclass(frozen=True, slots=True)
class Compared:
    """The candidate's evaluation against the baseline's."""

    candidate: Evaluation
    baseline: Evaluation
    measures: list[Difference]
    gained: list[Pair]
    lost: list[Pair]
    both_right: int
    both_wrong: int
    without_outcome: int


def compare_chosen(*, user: User, numbers: Sequence[str]) -> Compared:
    """As `compare`, of evaluations by number (candidate, baseline) among those open to this person."""
    candidate, baseline = _chosen(user, numbers)
    return compare(candidate=candidate, baseline=baseline)


def _chosen(user: User, numbers: Sequence[str]) -> tuple[Evaluation, Evaluation]:
    wanted = list(dict.fromkeys(int(number) for number in numbers if number.isdecimal() and len(number) < 10))
    if len(wanted) != 2:
        raise Refused("Choose two evaluations: the first is compared with the second, case by case.")
    found = Evaluation.objects.visible_to(user).in_bulk(wanted)
    if len(found) != 2:
        raise Refused("One of these evaluations does not exist, or is not open to you.")
    return found[wanted[0]], found[wanted[1]]


def compare(*, candidate: Evaluation, baseline: Evaluation) -> Compared:
    """Paired on every case; raises Refused, naming what differs, where the two are not comparable."""
    _same(candidate, baseline)
    ours, theirs = _episodes(candidate, baseline)
    if ours.keys() != theirs.keys():
        both = len(ours.keys() & theirs.keys())
        raise Refused(
            f"These two were played on different cases: {len(ours)} and {len(theirs)}, of which {both} are in both."
            " Evaluate both with the same --limit."
        )
    pairs = [Pair(row, theirs[case]) for case, row in ours.items()]
    told = [_measured(pair.candidate) for pair in pairs], [_measured(pair.baseline) for pair in pairs]
    return Compared(
        candidate,
        baseline,
        differences(candidate.protocol, *told),
        gained=[p for p in pairs if p.candidate.correct is True and p.baseline.correct is False],
        lost=[p for p in pairs if p.candidate.correct is False and p.baseline.correct is True],
        both_right=sum(p.candidate.correct is True and p.baseline.correct is True for p in pairs),
        both_wrong=sum(p.candidate.correct is False and p.baseline.correct is False for p in pairs),
        without_outcome=sum(p.candidate.correct is None or p.baseline.correct is None for p in pairs),
    )


def beside(*, user: User, numbers: tuple[int, int], number: int) -> Pair | None:
    """The candidate's case of that number, and the same case in the baseline's evaluation; None where not open."""
    visible = Evaluation.objects.visible_to(user).filter(pk__in=numbers)
    rows = EvaluatedEpisode.objects.filter(evaluation__in=visible).select_related("evaluation")
    candidate = rows.filter(evaluation=numbers[0], number=number).first()
    baseline = rows.filter(evaluation=numbers[1], case=candidate.case).first() if candidate else None
    return Pair(candidate, baseline) if candidate and baseline else None


def comparable(evaluation: Evaluation) -> list[Evaluation]:
    """Finished ones of the same site that this one can be compared with, newest first."""
    same = {name: getattr(evaluation, name) for name, _ in SAME}
    rows = Evaluation.objects.filter(
        site=evaluation.site_id, status=EvaluationStatus.SUCCEEDED, total=evaluation.total, **same
    )
    return list(rows.exclude(pk=evaluation.pk).defer("summary")[:50])


def _same(candidate: Evaluation, baseline: Evaluation) -> None:
    unfinished = [row.policy for row in (candidate, baseline) if row.status != EvaluationStatus.SUCCEEDED]
    if unfinished:
        raise Refused(f"Not finished yet: {' and '.join(unfinished)}. Compare when both are.")
    other = [words for name, words in SAME if getattr(candidate, name) != getattr(baseline, name)]
    if other:
        raise Refused(
            f"These two cannot be compared, because they differ in: {', '.join(other)}. Evaluate both in the same way."
        )


def _episodes(*evaluations: Evaluation) -> list[dict[str, EvaluatedEpisode]]:
    rows = EvaluatedEpisode.objects.filter(evaluation__in=evaluations).defer("episode")
    found: dict[int, dict[str, EvaluatedEpisode]] = {evaluation.pk: {} for evaluation in evaluations}
    for row in rows:
        found[row.evaluation_id][row.case] = row
    return [found[evaluation.pk] for evaluation in evaluations]


def _measured(row: EvaluatedEpisode) -> dict[str, Any] | None:
    """The numbers of one case, by the names of training.evaluation.comparison; None without an outcome."""
    if row.correct is None:
        return None
    told: dict[str, Any] = {**row.result, "accuracy": float(row.correct)}
    if isinstance(turns := row.result.get("turns"), list):
        told["hits"] = sum(turn["hit"] for turn in turns) / len(turns) if turns else None
    rated = row.result.get("rubric") or {}
    return {**told, "rubric": rated.get("value"), "coverage": rated.get("coverage")}
