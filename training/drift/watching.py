"""Drift of one site: the last four weeks of each version against the twelve before them, and the judge's agreement."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.utils import timezone

from clinic.models import AnnotationOrigin, AnnotationStatus, ModelVersion, RubricVersion, Site
from training import alarms, instrument
from training.drift.measures import BEHAVIOUR, MIXES, Found
from training.drift.reading import Held, held, weeks_of
from training.evaluation import calibration
from training.models import Alarm

NOW = timedelta(weeks=4)
BEFORE = timedelta(weeks=12)
RUBRICS = 5
"""The rubrics most judged lately; others have their own page."""


@dataclass(frozen=True, slots=True)
class OfVersion:
    """What one version did: its measures now and before, its weeks, and its calibration now."""

    version: ModelVersion
    consultations: int
    found: list[Found]
    weeks: dict[date, list[Held]]
    ece: float | None
    known: int
    """Consultations now whose truth is known."""


@dataclass(frozen=True, slots=True)
class OfJudge:
    """One judge on one rubric, by month; `drifted` as the instrument's page has it."""

    version: RubricVersion
    periods: list[instrument.Period]
    drifted: bool


@dataclass(frozen=True, slots=True)
class Drift:
    """Of one site on one day. Who came is compared whatever version served."""

    site: Site
    until: datetime
    mixes: list[Found]
    versions: list[OfVersion]
    weeks: dict[date, list[Held]]
    read: int


def look(site: Site, *, until: datetime | None = None) -> Drift:
    """Read the last sixteen weeks once, and compare."""
    until = until or timezone.now()
    turn = until - NOW
    rows = held(site, since=turn - BEFORE, until=until)
    now, before = _parted(rows, turn)
    names = list(dict.fromkeys(row.version for row in reversed(rows)))
    known = {one.version: one for one in ModelVersion.objects.filter(version__in=names)}
    return Drift(
        site=site,
        until=until,
        mixes=[measure.compare(now, before) for measure in MIXES],
        versions=[_of_version(known[name], [row for row in rows if row.version == name], turn) for name in names],
        weeks=weeks_of(rows),
        read=len(rows),
    )


def judges_at(site: Site) -> list[OfJudge]:
    """Rubrics of the site by which a judge rated, the latest first."""
    rated = RubricVersion.objects.filter(
        rubric__site=site, annotations__origin=AnnotationOrigin.JUDGE, annotations__status=AnnotationStatus.SUBMITTED
    )
    found = []
    for version in rated.select_related("rubric").distinct().order_by("-published_at", "-pk")[:RUBRICS]:
        rows = instrument.judgements(version)
        # Repeats are left out of the agreement, so a judge that rated nothing else has none.
        for identity in instrument.identities(rows)[:1]:
            told = instrument.report(version, identity=identity, rows=rows)
            found.append(OfJudge(version, told.periods, told.drifted))
    return found


def watch(site: Site, *, until: datetime | None = None) -> list[Alarm]:
    """Raise an alarm for every measure that left its reference; the alarms that are open for it now."""
    seen = look(site, until=until)
    raised = [_raise(site, found, str(site)) for found in seen.mixes if found.alarm]
    for one in seen.versions:
        raised += [_raise(site, found, one.version.version) for found in one.found if found.alarm]
    raised += [_judge_alarm(site, judge) for judge in judges_at(site) if judge.drifted]
    return raised


def watch_all() -> int:
    """Every site; how many alarms are open after it."""
    return sum(len(watch(site)) for site in Site.objects.all())


def _of_version(version: ModelVersion, rows: Sequence[Held], turn: datetime) -> OfVersion:
    now, before = _parted(rows, turn)
    pairs = [(row.stated, row.right) for row in now if row.stated is not None and row.right is not None]
    return OfVersion(
        version=version,
        consultations=len(now),
        found=[measure.compare(now, before) for measure in BEHAVIOUR],
        weeks=weeks_of(rows),
        ece=calibration.ece([stated for stated, _ in pairs], [float(right) for _, right in pairs]),
        known=len(pairs),
    )


def _parted(rows: Sequence[Held], turn: datetime) -> tuple[list[Held], list[Held]]:
    return [row for row in rows if row.at >= turn], [row for row in rows if row.at < turn]


def _raise(site: Site, found: Found, subject: str) -> Alarm:
    data = {"now": found.now, "before": found.before, "n": found.n, "m": found.m, "p": found.p, "psi": found.psi}
    return alarms.raise_(kind=f"drift.{found.name}", subject=subject, message=found.words, site=site, data=data)


def _judge_alarm(site: Site, judge: OfJudge) -> Alarm:
    subject = f"{judge.version.rubric.title}, version {judge.version.number}"
    last = judge.periods[-1]
    message = f"The judge agrees less with the physicians than it did: {subject}, {last.name}."
    return alarms.raise_(kind="drift.judge", subject=subject, message=message, site=site, data={"month": last.name})
