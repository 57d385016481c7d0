"""Consultations as drift looks at them: who came, what the agent did, how its clinician took it, what was true."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Any
from uuid import UUID

from django.db.models import Prefetch, Q

from clinic.answers import leader, ranked
from clinic.fact_texts import complaint_groups
from clinic.models import (
    Consultation,
    Feedback,
    FeedbackKind,
    FeedbackStatus,
    ModelVersion,
    Site,
    Turn,
    TurnRole,
    TurnStatus,
)
from clinic.naming import keyed
from clinic.reliance import truth_of

FOLLOWED = (FeedbackKind.ACCEPTED,)
OVERRODE = (FeedbackKind.REPLACED, FeedbackKind.REJECTED)
OTHER = "other"
AGES = ((18, "under 18"), (40, "18–39"), (65, "40–64"), (80, "65–79"))


@dataclass(frozen=True, slots=True)
class Held:
    """One consultation with an agent; `right` only where a diagnosis was named and the truth is known."""

    id: UUID
    version: str
    at: datetime
    complaint: str
    age: str
    sex: str
    turns: int
    malformed: int
    asked: int
    """The agent's turns, those included that could not be read."""
    deferred: bool | None
    """None where the agent said nothing that could be read."""
    followed: int
    overrode: int
    stated: float | None
    """The probability it gave to what it named; None too where it named what it had not ranked."""
    right: bool | None

    @property
    def week(self) -> date:
        """Its Monday, UTC."""
        day = self.at.astimezone(UTC).date()
        return day - timedelta(days=day.weekday())


def held(site: Site, *, since: datetime, until: datetime, version: ModelVersion | None = None) -> list[Held]:
    """Consultations begun in the window, oldest first, or those of one version; four queries whatever their number."""
    agents = Turn.objects.filter(role=TurnRole.AGENT).only(
        "consultation_id", "number", "status", "error_code", "action", "retracted_at"
    )
    rows = (
        Consultation.objects.filter(
            Q() if version is None else Q(model_version=version),
            site=site,
            agent_called=True,
            created_at__gte=since,
            created_at__lt=until,
        )
        .select_related("case", "model_version")
        .prefetch_related(Prefetch("turns", agents.order_by("number")), "outcomes")
        .defer("case__sheet")
        .order_by("created_at", "pk")
    )
    decided = _decisions(site, since)
    return [_held(row, decided[row.pk]) for row in rows]


def _held(row: Consultation, decided: Counter[str]) -> Held:
    turns = list(row.turns.all())
    said = [turn for turn in turns if turn.status == TurnStatus.COMPLETE and turn.retracted_at is None and turn.action]
    malformed = sum(turn.error_code == "malformed" for turn in turns)
    stated, right = _calibration(row, said)
    return Held(
        id=row.pk,
        version=row.model_version.version,
        at=row.created_at,
        complaint=_complaint(row.case.complaint, str(row.case.extra.get("group") or "")),
        age=age_band(row.case.age_years),
        sex=row.case.sex,
        turns=len(said),
        malformed=malformed,
        asked=len(said) + malformed,
        deferred=any((turn.action or {}).get("action") == "defer" for turn in said) if said else None,
        followed=sum(decided[kind] for kind in FOLLOWED),
        overrode=sum(decided[kind] for kind in OVERRODE),
        stated=stated,
        right=right,
    )


def _decisions(site: Site, since: datetime) -> dict[UUID, Counter[str]]:
    """How often each consultation's clinician followed a recommendation and did not; undone steps count no more."""
    rows = Feedback.objects.filter(site=site, at__gte=since, kind__in=[*FOLLOWED, *OVERRODE])
    found: dict[UUID, Counter[str]] = defaultdict(Counter)
    for consultation, kind in rows.exclude(status=FeedbackStatus.WITHDRAWN).values_list("consultation", "kind"):
        if consultation:
            found[consultation][kind] += 1
    return found


def _calibration(row: Consultation, said: Sequence[Turn]) -> tuple[float | None, bool | None]:
    """(the probability stated for what the agent named last, whether that was it); a deferral names nothing."""
    truth = truth_of(row)
    last = said[-1].action if said else None
    named = leader(last) if last and last.get("action") != "defer" else ""
    if not truth or not named or last is None:
        return None, None
    chances = [one.get("probability") for one in ranked(last) if _same(str(one.get("diagnosis", "")), named)]
    stated = float(chances[0]) if chances and chances[0] is not None else None
    return None if stated is None else min(max(stated, 0.0), 1.0), _same(named, truth)


def _same(one: str, other: str) -> bool:
    return keyed(one)[0] == keyed(other)[0]


@lru_cache(maxsize=4096)
def _complaint(text: str, group: str) -> str:
    """The knowledge's complaint, so that the same one in other words is the same."""
    found: Sequence[str] = complaint_groups(text, group)
    return found[0] if found else OTHER


def age_band(age: float | None) -> str:
    if age is None:
        return "unknown"
    return next((name for limit, name in AGES if age < limit), "80 and over")


def weeks_of(rows: Iterable[Held]) -> dict[date, list[Held]]:
    found: dict[date, list[Held]] = defaultdict(list)
    for row in rows:
        found[row.week].append(row)
    return dict(sorted(found.items()))


def mix(rows: Iterable[Held], of: str) -> Counter[str]:
    names: Iterable[Any] = (getattr(row, of) for row in rows)
    return Counter(names)
