"""How sure to be, in words and a number: how consistent the agent is with itself, and what the evidence supports."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

from agents.knowledge.conditions import knowledge
from clinic.answers import leader
from clinic.arguments import Arguments, arguments
from clinic.facts import Facts
from clinic.models import DraftStatus, TurnDrafts
from clinic.naming import condition_of, keyed

LEAST_DRAFTS = 3
TELLING = 0.3
"""A finding this much commoner in the condition than elsewhere is missed when nobody has asked for it."""
MOST_MISSING = 4


@dataclass(frozen=True, slots=True)
class Consistency:
    """Of the drafts and the answer that was shown: how many put the same diagnosis first."""

    leading: str = ""
    agreeing: int = 0
    asked: int = 0
    failed: int = 0
    waiting: bool = False
    others: tuple[tuple[str, int], ...] = ()

    @property
    def share(self) -> float | None:
        return self.agreeing / self.asked if self.asked >= LEAST_DRAFTS else None


@dataclass(frozen=True, slots=True)
class Confidence:
    diagnosis: str
    consistency: Consistency
    evidence: Arguments
    missing: tuple[str, ...] = ()
    """Telling findings of the leading diagnosis that are neither present nor absent yet."""

    @property
    def words(self) -> str:
        """One of five; "not enough information" is an answer."""
        if not self.evidence.inside:
            return "Cannot be judged: outside the knowledge"
        for_, against = len(self.evidence.supporting), len(self.evidence.opposing)
        share = self.consistency.share
        if for_ + against < 2 or (share is not None and share < 0.4):
            return "Not enough information"
        if against > for_:
            return "Doubtful: more speaks against than for"
        if share is None:
            return "Supported; consistency not checked"
        return "Well supported and consistent" if share >= 0.8 and for_ >= 2 * against else "Supported, with doubts"


def confidence_of(facts: Facts, action: dict[str, Any], drafts: TurnDrafts | None) -> Confidence | None:
    """Of the leading diagnosis of an answer; None where it names none."""
    leading = leader(action)
    if not leading:
        return None
    condition = condition_of(leading)
    return Confidence(
        diagnosis=keyed(leading)[1],
        consistency=_consistency(leading, drafts),
        evidence=arguments(facts, condition),
        missing=_missing(facts, condition),
    )


def _consistency(leading: str, drafts: TurnDrafts | None) -> Consistency:
    key, name = keyed(leading)
    if drafts is None:
        return Consistency(name)
    named = Counter(keyed(told)[0] for draft in drafts.drafts if (told := leader(draft["action"])))
    others = tuple((_name(other), count) for other, count in named.most_common() if other != key)
    # The answer that was shown is one of the samples.
    return Consistency(
        leading=name,
        agreeing=named[key] + 1,
        asked=len(drafts.drafts) + 1,
        failed=drafts.failed,
        waiting=drafts.status == DraftStatus.WAITING and not drafts.is_stuck,
        others=others,
    )


def _name(key: str) -> str:
    known = knowledge().conditions.get(key)
    return known.name if known else key


def _missing(facts: Facts, condition: str | None) -> tuple[str, ...]:
    known = knowledge()
    if condition is None:
        return ()
    age = 50.0 if facts.age_years is None else facts.age_years
    telling = [
        (told.p - known.findings[key].rate(age), known.findings[key].name)
        for key, told in known.conditions[condition].findings.items()
        if key not in facts.coded and known.findings[key].possible_for(age, facts.sex)
    ]
    ranked = sorted((row for row in telling if row[0] >= TELLING), reverse=True)
    return tuple(name for _, name in ranked[:MOST_MISSING])
