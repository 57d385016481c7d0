"""Appropriate reliance: when clinicians followed the agent and when they overrode it, and who was right."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from math import sqrt

from django.db.models import Prefetch

from clinic.answers import leader
from clinic.models import (
    CaseKind,
    Certainty,
    Consultation,
    ConsultationStatus,
    Outcome,
    Turn,
    TurnRole,
    TurnStatus,
    User,
)
from clinic.naming import keyed

KINDS = ("followed_right", "followed_wrong", "overrode_right", "overrode_wrong")
WORDS = {
    "followed_right": "Followed, right",
    "followed_wrong": "Followed, wrong",
    "overrode_right": "Overrode, right",
    "overrode_wrong": "Overrode, wrong",
}
SMALL = 5
"""Below this many consultations a share is not shown: it would tell about people, not about reliance."""


@dataclass(slots=True)
class Reliance:
    """Closed consultations of one site or policy whose truth is known; the others are only counted."""

    name: str
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(KINDS, 0))
    unknown: int = 0
    """Closed, with an answer of the agent, and without a known outcome."""

    @property
    def total(self) -> int:
        return sum(self.counts.values())

    @property
    def small(self) -> bool:
        return self.total < SMALL

    @property
    def appropriate(self) -> tuple[float, float, float] | None:
        """Share of right decisions about the agent's advice (followed right, overrode right), Wilson 95 % interval."""
        if self.small:
            return None
        return wilson(self.counts["followed_right"] + self.counts["overrode_right"], self.total)

    @property
    def rows(self) -> list[tuple[str, int]]:
        return [(WORDS[kind], self.counts[kind]) for kind in KINDS]


def wilson(successes: int, n: int, z: float = 1.96) -> tuple[float, float, float]:
    """(share, low, high): the score interval of a proportion, Wilson 1927."""
    share = successes / n
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z * sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return share, max(0.0, centre - half), min(1.0, centre + half)


def kind_of(agent: str, clinician: str, truth: str) -> str:
    """One of KINDS; the same diagnosis in other words is the same."""
    followed = keyed(agent)[0] == keyed(clinician)[0]
    right = keyed(clinician)[0] == keyed(truth)[0]
    return f"{'followed' if followed else 'overrode'}_{'right' if right else 'wrong'}"


def reliance_of(user: User) -> tuple[Reliance, list[Reliance]]:
    """(the site's, one for each policy that spoke), from what this person may see."""
    answers = Turn.objects.filter(role=TurnRole.AGENT, status=TurnStatus.COMPLETE, retracted_at=None).only(
        "consultation_id", "action", "number"
    )
    rows = (
        Consultation.objects.visible_to(user)
        .filter(status=ConsultationStatus.CLOSED)
        .select_related("case", "model_version")
        .prefetch_related(Prefetch("turns", queryset=answers), "outcomes")
        .defer("case__sheet", "case__history", "case__extra")
    )
    return tally(rows, user.site.name if user.site else "")


def tally(consultations: Iterable[Consultation], site: str) -> tuple[Reliance, list[Reliance]]:
    whole, policies = Reliance(site), dict[str, Reliance]()
    for consultation in consultations:
        agent = _said(consultation)
        if not agent or not consultation.diagnosis:
            continue
        policy = policies.setdefault(consultation.model_version.version, Reliance(consultation.model_version.name))
        truth = truth_of(consultation)
        for one in (whole, policy):
            if truth:
                one.counts[kind_of(agent, consultation.diagnosis, truth)] += 1
            else:
                one.unknown += 1
    return whole, sorted(policies.values(), key=lambda one: -one.total)


def _said(consultation: Consultation) -> str:
    """The agent's last word on the diagnosis."""
    named = [leader(turn.action or {}) for turn in sorted(consultation.turns.all(), key=lambda turn: turn.number)]
    return next((name for name in reversed(named) if name), "")


def truth_of(consultation: Consultation) -> str:
    """The recorded outcome, if confirmed; else a published or virtual case's own diagnosis; else nothing."""
    outcomes: list[Outcome] = sorted(consultation.outcomes.all(), key=lambda outcome: -outcome.pk)
    if outcomes:
        return outcomes[0].diagnosis if outcomes[0].certainty == Certainty.CONFIRMED else ""
    return "" if consultation.case.kind == CaseKind.PATIENT else consultation.case.answer
