"""Red flags: rules over the facts of a case. They need no model, and nothing that a model says reaches them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.utils import timezone

from agents.knowledge.safety import Fact, RedFlag, safety
from clinic.facts import Facts, Known
from clinic.models import Consultation, EventType, RedFlagAlert, StaleStatus, User
from clinic.services import audit, ledger
from clinic.services.errors import SENTENCES
from clinic.services.events import Outbox
from clinic.services.holding import held
from clinic.services.redraw import redraw


@dataclass(frozen=True, slots=True)
class Combined:
    """A rule of the knowledge that means something more beside one of these facts."""

    base: str
    beside: tuple[tuple[str, Fact], ...]
    flag: RedFlag


COMBINED = (
    Combined(
        "shock",
        (("hcg", "positive"), ("pregnant", True)),
        RedFlag(
            id="shock_in_pregnancy",
            groups=(),
            any=(),
            all=(),
            value=None,
            says="Low pressure in pregnancy: call for help now",
            consider=("ectopic",),
        ),
    ),
)
"""The simple rules know findings and values; these also know results, and fire again when the second fact comes."""


def raise_flags(consultation: Consultation, facts: Facts, outbox: Outbox | None = None) -> list[RedFlagAlert]:
    """Keep an alert for every rule that these facts break and that has not been raised; its conditions go open.

    Called in the transaction that adds the facts, before the agent is asked. An alert is never taken back: an
    undone finding leaves it standing until somebody acknowledges it.
    """
    there = set(consultation.red_flags.values_list("flag", flat=True))
    fresh = [flag for flag in broken(facts) if flag.id not in there]
    alerts = RedFlagAlert.objects.bulk_create(_alert(consultation, flag, facts) for flag in fresh)
    if not alerts:
        return []
    ledger.add_conditions(consultation, [key for alert in alerts for key in alert.consider])
    if outbox is not None:
        newest = consultation.turns.order_by("-number").values_list("number", flat=True).first() or 0
        outbox.add(EventType.STATE, {"state": "red_flag", "says": [alert.says for alert in alerts]}, turn=newest)
    _audit(consultation, None, "raised", [alert.flag for alert in alerts])
    return alerts


def acknowledge(*, alert: RedFlagAlert, by: User) -> None:
    """Seen, by whom and when. The alert stays on the page."""
    with transaction.atomic():
        current = held(alert.consultation, by)
        mine = RedFlagAlert.objects.filter(pk=alert.pk, acknowledged_at=None)
        if not mine.update(acknowledged_by=by, acknowledged_at=timezone.now()):
            raise StaleStatus(SENTENCES["stale"])
        redraw(current, "red_flag")
        _audit(current, by, "acknowledged", [alert.flag])


def broken(facts: Facts) -> list[RedFlag]:
    """The rules that the facts break, in any complaint that the case came with; those of several facts first."""
    known = facts.mapping()
    found = [flag for group in (facts.groups or (None,)) for flag in safety().raised(group, known)]
    simple = {flag.id: flag for flag in found}
    together = [rule.flag for rule in COMBINED if rule.base in simple and facts_in(rule, facts)]
    return [*together, *simple.values()]


def facts_in(rule: Combined, facts: Facts) -> list[Known]:
    """The facts that turn the simple rule into this one."""
    found = [(facts.find(key), value) for key, value in rule.beside]
    return [fact for fact, value in found if fact and fact.value == value]


def because(flag: RedFlag, facts: Facts) -> list[Known]:
    """The facts of this case that broke the rule."""
    rule = next((rule for rule in COMBINED if rule.flag is flag), None)
    if rule is not None:
        base = next(simple for simple in safety().red_flags if simple.id == rule.base)
        return [*because(base, facts), *facts_in(rule, facts)]
    ids = [flag.value.exam] if flag.value else [*flag.all, *flag.any]
    found = (facts.find(key) for key in ids)
    return [fact for fact in found if fact and fact.value not in (None, False)]


def _alert(consultation: Consultation, flag: RedFlag, facts: Facts) -> RedFlagAlert:
    shown = because(flag, facts)
    return RedFlagAlert(
        consultation=consultation,
        flag=flag.id,
        says=flag.says[:300],
        because=[fact.as_evidence() for fact in shown],
        consider=list(flag.consider),
    )


def _audit(consultation: Consultation, by: User | None, what: str, flags: list[str]) -> None:
    facts: dict[str, Any] = {"flags": flags}
    audit.record(
        by=by,
        action=f"red_flag.{what}",
        noun="consultation",
        target=str(consultation.pk),
        data=facts,
        site=consultation.site,
    )
