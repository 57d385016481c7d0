"""The rule-out ledger as the page shows it: each entry with the facts of this case that could exclude it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from agents.knowledge.conditions import knowledge
from clinic.arguments import Argument, Arguments, arguments
from clinic.facts import Facts, Known
from clinic.models import LedgerEntry, LedgerOrigin, LedgerStatus

ORDER = (LedgerStatus.OPEN, LedgerStatus.ACCEPTED, LedgerStatus.EXCLUDED)


@dataclass(frozen=True, slots=True)
class Entry:
    row: LedgerEntry
    own: Arguments = field(default_factory=Arguments)
    """What this case's facts argue, as the knowledge has it."""
    others: tuple[Known, ...] = ()
    """Facts that the knowledge does not weigh, for a clinician who does."""
    confirm: tuple[str, ...] = ()
    """Examinations that settle it."""

    @property
    def candidates(self) -> tuple[Argument, ...]:
        return self.own.opposing


def entries_of(ledger: Iterable[LedgerEntry], facts: Facts, *, without_agent: bool = False) -> list[Entry]:
    """Open ones first, then accepted, then excluded."""
    shown = [row for row in ledger if not (without_agent and row.origin == LedgerOrigin.AGENT)]
    ranked = sorted(shown, key=lambda row: (ORDER.index(LedgerStatus(row.status)), row.pk))
    return [_entry(row, facts) for row in ranked]


def _entry(row: LedgerEntry, facts: Facts) -> Entry:
    known = knowledge().conditions.get(row.key)
    if row.status != LedgerStatus.OPEN:
        return Entry(row)
    own = arguments(facts, row.key if known else None)
    offered = {one.fact.row for one in own.opposing}
    rows = [fact for fact in facts.rows.values() if fact.row not in offered]
    exams = known.confirm if known else ()
    names = tuple(knowledge().catalogue.exams[exam].name for exam in exams)
    return Entry(row, own, tuple(sorted(rows, key=lambda fact: -(fact.at.timestamp() if fact.at else 0))), names)
