"""The judge as an instrument: how far it agrees with physicians, how it drifts, what its mean is worth, what it may
reward.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import isnan
from statistics import fmean
from typing import Any

from agents.agreement import Estimate, Mean, classical_mean, kappa_interval, ppi_mean
from agents.rubrics import Verdict
from clinic.models import Annotation, AnnotationOrigin, AnnotationStatus, FeedbackStatus, RubricCriterion, RubricVersion
from clinic.verdict_table import DECIDED, OPEN, Said, said_in
from training import judges
from training.evaluation import calibration

FLOOR = 0.4
"""A criterion is rewarded only where the lower end of the 95 % interval of kappa with the physicians reaches this."""
SMALLEST = 20
"""With fewer consultations that both judged, agreement is not known, which counts as under the floor."""
FEWEST_SHOWN = 10
REPEATS = 1000
TAKEN_OUT = (FeedbackStatus.WITHDRAWN, FeedbackStatus.QUARANTINED)
SCORES = (0.0, 1.0)


@dataclass(frozen=True, slots=True)
class CriterionAgreement:
    """Judge and physicians on one criterion; `pairs` consultations were decided by both."""

    key: str
    text: str
    axis: str
    pairs: int
    kappa: Estimate
    raw: float | None
    lean: float | None
    """How much more often the judge says met than the physicians do, -1..1."""
    coverage: float | None
    """Share of its verdicts, where the criterion applied, that were met or not met."""
    errors: int
    rewardable: bool
    why: str


@dataclass(frozen=True, slots=True)
class Period:
    """Agreement over all criteria in one month of judging."""

    name: str
    pairs: int
    kappa: Estimate | None


@dataclass(frozen=True, slots=True)
class Scores:
    """Three means of the same score, 0..1: the judge's of all it judged, the physicians', and the corrected one."""

    judge: Mean
    physicians: Mean
    corrected: Mean
    coverage: float | None


@dataclass(frozen=True)
class Report:
    """One judge on one version of a rubric."""

    identity: Mapping[str, Any]
    items: int
    whole: Estimate | None
    criteria: list[CriterionAgreement]
    periods: list[Period]
    drifted: bool
    scores: Scores
    reliability: list[calibration.Bin] = field(default_factory=list)
    ece: float | None = None
    sure_of: int = 0


@dataclass(frozen=True, slots=True)
class _Pair:
    """One criterion of one consultation that both decided: 1 met, 0 not met."""

    key: str
    consultation: Any
    month: str
    judge: float
    physicians: float
    confidence: float | None


def rewardable(version: RubricVersion, *, identity: Mapping[str, Any] | None = None) -> dict[str, tuple[bool, str]]:
    """Criterion's key to (whether this judge's verdict may be a reward, why); `identity` None is the configured judge.

    Every criterion of the version is in it. Physicians' own verdicts need no judge and are not asked about here.
    """
    found = report(version, identity=identity)
    return {row.key: (row.rewardable, row.why) for row in found.criteria}


def report(
    version: RubricVersion, *, identity: Mapping[str, Any] | None = None, rows: Sequence[Annotation] | None = None
) -> Report:
    """Everything that is known of a judge by this version's criteria (three queries), whatever the queue of the site.

    What was judged by an earlier version counts where the criterion's words are the same. Physicians' verdict is the
    authoritative one, else what most of them said; a tie is none. Consultations are counted, each with the newest that
    the judge and every physician said of it: a repeat or a second queue makes no second one.
    """
    identity = dict(identity or judges.instruments()[0].identity)
    criteria = _criteria(version)
    mine = [one for one in criteria if one.version_id == version.pk]
    name = {one.pk: one.key for one in criteria}
    rows = judgements(version) if rows is None else rows
    rows = sorted(rows, key=lambda row: row.rubric_version_id == version.pk)
    judged = _newest(
        row for row in rows if row.origin == AnnotationOrigin.JUDGE and identity.items() <= row.judge.items()
    )
    rated = {row.item.consultation_id for row in judged}
    people = _newest(row for row in rows if row.origin != AnnotationOrigin.JUDGE and row.item.consultation_id in rated)
    told = _told([*judged, *people], criteria, name)
    mine_said = {row.pk for row in judged}
    said = [one for one in told if one.rater in mine_said]
    truth = _truth(people, [one for one in told if one.rater not in mine_said])
    pairs = _pairs(judged, said, truth)
    by_criterion = [_criterion(one, [pair for pair in pairs if pair.key == one.key], said) for one in mine]
    periods = _periods(pairs)
    return Report(
        identity=identity,
        items=len(judged),
        whole=_kappa(pairs) if _together(pairs) >= FEWEST_SHOWN else None,
        criteria=by_criterion,
        periods=periods,
        drifted=_drifted(periods),
        scores=_scores(*([row for row in side if row.rubric_version_id == version.pk] for side in (judged, people))),
        **_calibration(pairs),
    )


def judgements(version: RubricVersion) -> list[Annotation]:
    """Everything submitted by any version of its rubric, by judges and people (one query).

    Repeats test an annotator, and what was withdrawn or quarantined is nobody's word any more: neither is among it.
    """
    rows = Annotation.objects.filter(rubric_version__rubric=version.rubric_id, status=AnnotationStatus.SUBMITTED)
    rows = rows.exclude(origin=AnnotationOrigin.PERSON, feedback__status__in=TAKEN_OUT)
    rows = rows.filter(item__repeat_of=None).select_related("item").defer("draft", "critique")
    return list(rows.order_by("submitted_at", "pk"))


def identities(rows: Iterable[Annotation]) -> list[dict[str, Any]]:
    """Every judge among these annotations, most used first."""
    judged = [row.judge for row in rows if row.origin == AnnotationOrigin.JUDGE]
    found = Counter(tuple(sorted((k, v) for k, v in judge.items() if k != "confidence")) for judge in judged)
    return [dict(one) for one, _ in found.most_common()]


def _criteria(version: RubricVersion) -> list[RubricCriterion]:
    """The version's, and those of the rubric's other versions with the same key and words."""
    rows = list(RubricCriterion.objects.filter(version__rubric=version.rubric_id, kept=True).order_by("position"))
    mine = {(row.key, row.text) for row in rows if row.version_id == version.pk}
    return [row for row in rows if (row.key, row.text) in mine]


def _newest(rows: Iterable[Annotation]) -> list[Annotation]:
    """The last that each said of a consultation, in their order; what does not stand replaces nothing that stands."""
    found: dict[Any, Annotation] = {}
    for row in rows:
        key = (row.item.consultation_id, row.origin, row.annotator_id, row.authoritative)
        found.pop(key, None)
        found[key] = row
    return list(found.values())


def _told(rows: Sequence[Annotation], criteria: Sequence[RubricCriterion], name: Mapping[int, Any]) -> list[Said]:
    """What these say, in their order, with the consultation where `said_in` has the item and themselves as raters."""
    held: dict[object, Any] = {row.pk: row.item.consultation_id for row in rows}
    at: dict[object, int] = {row.pk: n for n, row in enumerate(rows)}
    told = [one._replace(item=held[one.rater]) for one in said_in(list(held), criteria, rater="id", name=name)]
    return sorted(told, key=lambda one: at[one.rater])


def _truth(people: Sequence[Annotation], told: Sequence[Said]) -> dict[tuple[Any, Any], float]:
    """(consultation, key) to 1 or 0: the newest authoritative verdict, else that of most physicians."""
    standing = {row.pk for row in people if row.authoritative}
    persons = {row.pk for row in people if row.origin == AnnotationOrigin.PERSON}
    settled = {(one.item, one.criterion): one.rater for one in told if one.rater in standing}
    votes: dict[tuple[Any, Any], list[float]] = defaultdict(list)
    for one in told:
        judge = settled.get((one.item, one.criterion))
        counts = one.rater == judge if judge else one.rater in persons
        if counts and one.verdict in DECIDED:
            votes[one.item, one.criterion].append(DECIDED[one.verdict])
    return {at: float(fmean(given) > 0.5) for at, given in votes.items() if fmean(given) != 0.5}


def _pairs(judged: Sequence[Annotation], said: Sequence[Said], truth: Mapping[tuple[Any, Any], float]) -> list[_Pair]:
    row_of: dict[object, Annotation] = {row.item.consultation_id: row for row in judged}
    found = []
    for one in said:
        known = truth.get((one.item, one.criterion))
        if known is None or one.verdict not in DECIDED:
            continue
        row = row_of[one.item]
        month = f"{row.submitted_at:%Y-%m}" if row.submitted_at else ""
        sure = row.judge.get("confidence", {}).get(one.criterion)
        found.append(_Pair(str(one.criterion), one.item, month, DECIDED[one.verdict], known, sure))
    return found


def _kappa(pairs: Sequence[_Pair]) -> Estimate:
    """Chance within each criterion, consultations drawn whole."""
    held = {one: n for n, one in enumerate(dict.fromkeys(pair.consultation for pair in pairs))}
    keys = {key: n for n, key in enumerate(dict.fromkeys(pair.key for pair in pairs))}
    return kappa_interval(
        [pair.judge for pair in pairs],
        [pair.physicians for pair in pairs],
        strata=[keys[pair.key] for pair in pairs],
        clusters=[held[pair.consultation] for pair in pairs],
        repeats=REPEATS,
    )


def _together(pairs: Iterable[_Pair]) -> int:
    return len({pair.consultation for pair in pairs})


def _criterion(criterion: RubricCriterion, pairs: Sequence[_Pair], said: Sequence[Said]) -> CriterionAgreement:
    verdicts = [one.verdict for one in said if one.criterion == criterion.key]
    applicable = [verdict for verdict in verdicts if verdict is not Verdict.NOT_APPLICABLE]
    kappa, together = _kappa(pairs), _together(pairs)
    allowed, why = _may_reward(kappa, together)
    enough = together >= FEWEST_SHOWN
    return CriterionAgreement(
        key=criterion.key,
        text=criterion.text,
        axis=criterion.get_axis_display(),
        pairs=together,
        kappa=kappa,
        raw=fmean(pair.judge == pair.physicians for pair in pairs) if enough else None,
        lean=fmean(pair.judge - pair.physicians for pair in pairs) if enough else None,
        coverage=fmean(verdict not in OPEN for verdict in applicable) if applicable else None,
        errors=sum(verdict is Verdict.ERROR for verdict in verdicts),
        rewardable=allowed,
        why=why,
    )


def _may_reward(kappa: Estimate, together: int) -> tuple[bool, str]:
    if together < SMALLEST:
        return False, f"{together} consultations judged by both; {SMALLEST} are needed before agreement is known"
    if not kappa.is_defined:
        return False, "the verdicts hardly vary, so agreement beyond chance cannot be shown"
    told = f"kappa {kappa.value:.2f}, at least {kappa.low:.2f}"
    if kappa.low < FLOOR:
        return False, f"{told}: under the floor of {FLOOR}"
    return True, f"{told}: reaches the floor of {FLOOR}"


def _periods(pairs: Sequence[_Pair]) -> list[Period]:
    found = []
    for month in sorted({pair.month for pair in pairs}):
        inside = [pair for pair in pairs if pair.month == month]
        enough = _together(inside) >= FEWEST_SHOWN
        found.append(Period(month, _together(inside), _kappa(inside) if enough else None))
    return found


def _drifted(periods: Sequence[Period]) -> bool:
    """Whether the newest month lies below an earlier one, beyond what the intervals allow."""
    known = [one.kappa for one in periods if one.kappa and one.kappa.is_defined]
    return len(known) > 1 and any(known[-1].high < before.low for before in known[:-1])


def _scores(judged: Sequence[Annotation], people: Sequence[Annotation]) -> Scores:
    """Of the same population: consultations that the judge scored, some of which physicians scored too."""
    judge = {row.item.consultation_id: row.score for row in judged if row.score is not None}
    settled = {row.item.consultation_id: row.score for row in people if row.authoritative and row.score is not None}
    given: dict[Any, list[float]] = defaultdict(list)
    for row in people:
        if row.origin == AnnotationOrigin.PERSON and row.score is not None:
            given[row.item.consultation_id].append(row.score)
    physicians = {held: fmean(scores) for held, scores in given.items()} | settled
    both = [held for held in judge if held in physicians]
    rest = [score for held, score in judge.items() if held not in physicians]
    covered = [row.coverage for row in judged if row.coverage is not None]
    ours, theirs = [physicians[held] for held in both], [judge[held] for held in both]
    return Scores(
        judge=classical_mean(list(judge.values()), bounds=SCORES),
        physicians=classical_mean(ours, bounds=SCORES),
        corrected=ppi_mean(ours, theirs, rest, bounds=SCORES),
        coverage=fmean(covered) if covered else None,
    )


def _calibration(pairs: Sequence[_Pair]) -> dict[str, Any]:
    """Of a judge that says how sure it is: stated confidence against how often physicians agree."""
    told = [(pair.confidence, pair.judge == pair.physicians) for pair in pairs if pair.confidence is not None]
    if len(told) < FEWEST_SHOWN:
        return {"sure_of": len(told)}
    stated, right = [one[0] for one in told], [float(one[1]) for one in told]
    bars = calibration.reliability(stated, right)
    return {"reliability": bars, "ece": calibration.ece(stated, right), "sure_of": len(told)}


def is_known(mean: Mean) -> bool:
    """Whether there were enough to have a mean."""
    return not isnan(mean.value)
