"""Independent first: the clinician's own differential is committed before the agent is asked at all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from clinic.models import Commitment, Consultation, FeedbackKind, Turn, User
from clinic.naming import condition_of, keyed
from clinic.services import feedback
from clinic.services.errors import SENTENCES, Refused
from clinic.services.steering import steering

MOST = 6


def wanted(by: User) -> bool:
    """The person's own setting, else the site's."""
    if by.independent_first is not None:
        return by.independent_first
    return bool(by.site and by.site.independent_first)


def commit(
    *, consultation: Consultation, by: User, differential: Sequence[Mapping[str, str]], next_examination: str = ""
) -> Turn | None:
    """Keep the clinician's differential as it is, for good, and only then let the agent speak.

    `differential`: {diagnosis, probability (percent, may be empty), rests_on} in the clinician's order.
    """
    rows = [_row(entry) for entry in differential if entry.get("diagnosis", "").strip()][:MOST]
    if not rows:
        raise Refused(SENTENCES["commit_needs_one"])
    with steering(consultation, by) as step:
        current = step.consultation
        if not current.independent_first:
            raise Refused(SENTENCES["commit_not_asked"])
        if Commitment.objects.filter(consultation=current).exists():
            raise Refused(SENTENCES["commit_once"])
        Commitment.objects.create(
            consultation=current, by=by, differential=rows, next_examination=next_examination.strip()[:200]
        )
        data = {"differential": rows, "next_examination": next_examination.strip()[:200]}
        feedback.give(
            kind=FeedbackKind.INDEPENDENT, by=by, consultation=current, target=rows[0]["diagnosis"][:300], data=data
        )
        turn = None
        if current.agent_called:
            turn = step.agent_next()
        else:
            step.state("committed")
        step.audit("committed", hypotheses=len(rows))
    return turn


def _row(entry: Mapping[str, str]) -> dict[str, Any]:
    diagnosis = entry["diagnosis"].strip()[:200]
    typed = entry.get("probability", "").strip().rstrip("%")
    try:
        probability = float(typed) / 100 if typed else None
    except ValueError as error:
        raise Refused(SENTENCES["commit_percent"].format(typed=typed[:20])) from error
    if probability is not None and not 0 <= probability <= 1:
        raise Refused(SENTENCES["commit_percent"].format(typed=typed[:20]))
    rests_on = entry.get("rests_on", "").strip()[:500]
    return {
        "diagnosis": diagnosis,
        "condition": condition_of(diagnosis),
        "probability": probability,
        "rests_on": rests_on,
    }


@dataclass(frozen=True, slots=True)
class Compared:
    """One hypothesis as the clinician and the agent have it."""

    name: str
    mine: float | None
    agents: float | None
    by_me: bool
    by_agent: bool
    rests_on: str
    agents_for: tuple[str, ...]

    @property
    def agreed(self) -> bool:
        return self.by_me and self.by_agent


def compare(commitment: Commitment, action: Mapping[str, Any]) -> list[Compared]:
    """The commitment against the agent's first differential: agreements first, then what only one of them names."""
    mine = {keyed(row["diagnosis"])[0]: row for row in commitment.differential}
    theirs = {keyed(str(entry["diagnosis"]))[0]: entry for entry in action.get("differential") or []}
    rows = []
    for key in dict.fromkeys([*mine, *theirs]):
        own, agent = mine.get(key), theirs.get(key)
        name = keyed(str((own or agent or {})["diagnosis"]))[1]
        rows.append(
            Compared(
                name=name,
                mine=own["probability"] if own else None,
                agents=agent.get("probability") if agent else None,
                by_me=own is not None,
                by_agent=agent is not None,
                rests_on=own["rests_on"] if own else "",
                agents_for=tuple(agent.get("for") or ()) if agent else (),
            )
        )
    return sorted(rows, key=lambda row: (not row.agreed, not row.by_me))
