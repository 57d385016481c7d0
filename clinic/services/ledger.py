"""The rule-out ledger: what must not be missed is open until a person excludes it or says why it stays open."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.db import transaction
from django.utils import timezone

from agents.knowledge.conditions import Condition
from agents.types import Action, HypothesisGroup
from agents.world.model import age_sex_weight, model
from clinic.facts import Facts, read_facts
from clinic.models import (
    Case,
    Consultation,
    LedgerEntry,
    LedgerOrigin,
    LedgerStatus,
    User,
)
from clinic.naming import keyed
from clinic.services import audit
from clinic.services.errors import SENTENCES, Refused
from clinic.services.holding import held
from clinic.services.redraw import redraw


def open_ledger(consultation: Consultation, facts: Facts) -> list[LedgerEntry]:
    """The knowledge's can't-miss conditions of this complaint that a person of this age and sex can have."""
    if facts.group is None:
        return []
    listed = {c.id: c for group in facts.groups for c in model().known.cant_miss(group)}
    possible = [condition for condition in listed.values() if can_have(consultation.case, condition)]
    return _add(consultation, [(c.id, c.name) for c in possible], LedgerOrigin.KNOWLEDGE)


def add_from_agent(consultation: Consultation, action: Action) -> list[LedgerEntry]:
    """What the agent calls can't-miss. It adds only: leaving one out of a later answer changes nothing."""
    named = [h.diagnosis for h in action.differential if h.group == HypothesisGroup.CANT_MISS and h.diagnosis.strip()]
    return _add(consultation, [keyed(name) for name in named], LedgerOrigin.AGENT)


def add_conditions(consultation: Consultation, conditions: Iterable[str]) -> list[LedgerEntry]:
    """Conditions of the knowledge that a red flag asks to consider, where this patient can have them."""
    known = model().known.conditions
    possible = [known[key] for key in conditions if key in known and can_have(consultation.case, known[key])]
    for entry in consultation.ledger.filter(key__in=[c.id for c in possible], status=LedgerStatus.EXCLUDED):
        # What was ruled out before the flag was raised has to be looked at once more.
        entry.move_to(
            LedgerStatus.OPEN, by=None, reason="a red flag was raised", evidence=[], decided_by=None, decided_at=None
        )
    return _add(consultation, [(c.id, c.name) for c in possible], LedgerOrigin.RED_FLAG)


def add(*, consultation: Consultation, by: User, name: str) -> LedgerEntry:
    """A clinician's own can't-miss hypothesis."""
    if not name.strip():
        raise Refused(SENTENCES["needs_text"])
    with transaction.atomic():
        current = held(consultation, by)
        key, known_as = keyed(name)
        _add(current, [(key, known_as)], LedgerOrigin.CLINICIAN)
        entry = current.ledger.get(key=key)
        redraw(current, "ledger")
        _audit(current, by, "added", entry)
    return entry


def exclude(*, entry: LedgerEntry, by: User, evidence: Sequence[str]) -> None:
    """Ruled out by facts of this case, named by their ids; what is not known of this case excludes nothing."""
    with transaction.atomic():
        current = held(entry.consultation, by)
        facts = read_facts(current)
        quoted = [fact.as_evidence() for fact in (facts.find(ref) for ref in evidence) if fact]
        if not quoted or len(quoted) < len(evidence):
            raise Refused(SENTENCES["ledger_evidence"])
        _decide(entry, LedgerStatus.EXCLUDED, by, evidence=quoted)
        redraw(current, "ledger")
        _audit(current, by, "excluded", entry, evidence=[fact["finding"] for fact in quoted])


def accept(*, entry: LedgerEntry, by: User, reason: str) -> None:
    """Stays open knowingly, for a reason."""
    with transaction.atomic():
        current = held(entry.consultation, by)
        _accept(entry, by, reason)
        redraw(current, "ledger")
        _audit(current, by, "accepted", entry)


def reopen(*, entry: LedgerEntry, by: User) -> None:
    """Back to open, with nothing left of the earlier decision but its history."""
    with transaction.atomic():
        current = held(entry.consultation, by)
        entry.move_to(LedgerStatus.OPEN, by=by, evidence=[], decided_by=None, decided_at=None)
        LedgerEntry.objects.filter(pk=entry.pk).update(reason="")
        redraw(current, "ledger")
        _audit(current, by, "reopened", entry)


def open_entries(consultation: Consultation) -> list[LedgerEntry]:
    return list(consultation.ledger.filter(status=LedgerStatus.OPEN))


def settle(consultation: Consultation, by: User, reasons: Mapping[int, str]) -> list[LedgerEntry]:
    """Before closing: accept every open entry for the reason given; refused while one has none.

    The caller holds the consultation's row lock, and audits the closing.
    """
    still = open_entries(consultation)
    silent = [entry.name for entry in still if not reasons.get(entry.pk, "").strip()]
    if silent:
        raise Refused(SENTENCES["ledger_open"].format(names=", ".join(silent)))
    for entry in still:
        _accept(entry, by, reasons[entry.pk])
    return still


def can_have(case: Case, condition: Condition) -> bool:
    """Whether the condition occurs at the case's age and sex; where one is not known, it may."""
    if case.age_years is None or case.sex not in ("male", "female"):
        return True
    return age_sex_weight(condition, case.age_years, case.sex) > 0


def _add(consultation: Consultation, wanted: Iterable[tuple[str, str]], origin: LedgerOrigin) -> list[LedgerEntry]:
    """Only what is not there yet, in whatever state."""
    there = set(consultation.ledger.values_list("key", flat=True))
    fresh = {key: name for key, name in wanted if key not in there}
    rows = [LedgerEntry(consultation=consultation, key=key, name=name, origin=origin) for key, name in fresh.items()]
    return LedgerEntry.objects.bulk_create(rows)


def _accept(entry: LedgerEntry, by: User, reason: str) -> None:
    if not reason.strip():
        raise Refused(SENTENCES["ledger_reason"])
    _decide(entry, LedgerStatus.ACCEPTED, by, evidence=[], reason=reason.strip())


def _decide(
    entry: LedgerEntry, status: LedgerStatus, by: User, *, evidence: list[dict[str, Any]], reason: str = ""
) -> None:
    # First the words, because a status without them is refused; a move that fails takes them back.
    LedgerEntry.objects.filter(pk=entry.pk).update(reason=reason)
    entry.reason = reason
    entry.move_to(status, by=by, reason=reason, decided_by=by, decided_at=timezone.now(), evidence=evidence)


def _audit(consultation: Consultation, by: User, what: str, entry: LedgerEntry, **data: Any) -> None:
    # Last in every transaction: it takes the one lock of the audit chain.
    audit.record(
        by=by,
        action=f"ledger.{what}",
        noun="consultation",
        target=str(consultation.pk),
        data={"entry": entry.pk, "condition": entry.key, **data},
        site=consultation.site,
    )
