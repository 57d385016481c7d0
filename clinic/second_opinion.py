"""The knowledge's own posterior beside the agent's differential: what they disagree on is shown, not averaged away."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from agents.knowledge.conditions import knowledge
from agents.world.oracle import Belief
from agents.world.ratios import presentation, usable
from clinic.facts import Facts
from clinic.naming import keyed

SHOWN = 6
LEAST = 0.01
APART = 0.2
"""Twenty points between two probabilities are worth a sentence."""
FEW_FACTS = 4


@dataclass(frozen=True, slots=True)
class OpinionRow:
    """One hypothesis; None where an opinion does not name it, or states no probability."""

    key: str
    name: str
    agent: float | None
    knowledge: float | None
    named_by_agent: bool
    cant_miss: bool

    @property
    def gap(self) -> float | None:
        return None if self.agent is None or self.knowledge is None else self.agent - self.knowledge

    @property
    def apart(self) -> bool:
        return self.gap is not None and abs(self.gap) >= APART


@dataclass(frozen=True, slots=True)
class SecondOpinion:
    """`outside` says why there is none; `disagreements` are sentences, the gravest first."""

    rows: tuple[OpinionRow, ...] = ()
    disagreements: tuple[str, ...] = ()
    facts: int = 0
    outside: str = ""

    @property
    def few(self) -> bool:
        """So little is known that the posterior is nearly the prior."""
        return self.facts < FEW_FACTS


def second_opinion(facts: Facts, stated: Mapping[str, float | None]) -> SecondOpinion:
    """`stated`: the agent's diagnoses as written, with their probabilities; empty while it has said nothing."""
    belief, reason, used = belief_of(facts)
    if belief is None:
        return SecondOpinion(outside=reason)
    named = {keyed(name)[0]: (keyed(name)[1], probability) for name, probability in stated.items()}
    posterior = dict(belief.ranked())
    keys = [key for key, p in posterior.items() if p >= LEAST][:SHOWN]
    keys += [key for key in named if key not in keys]
    conditions = knowledge().conditions
    rows = tuple(
        OpinionRow(
            key=key,
            name=conditions[key].name if key in conditions else named[key][0],
            agent=named[key][1] if key in named else None,
            knowledge=posterior.get(key),
            named_by_agent=key in named,
            cant_miss=key in conditions and conditions[key].cant_miss,
        )
        for key in keys
    )
    return SecondOpinion(rows, _disagreements(rows) if named else (), used)


def belief_of(facts: Facts) -> tuple[Belief | None, str, int]:
    """(the posterior after every usable fact, or None; why there is none; how many facts were used)."""
    if facts.group is None:
        return None, "This complaint is outside what the knowledge covers, so it has no opinion of its own here.", 0
    base = presentation(facts.group, facts.age_years, facts.sex)
    if base is None:
        return None, "Age and sex are needed for a second opinion, and one of them is not known.", 0
    items = [item for item in facts.evidence() if usable(base, item)]
    return Belief(base).add(items), "", len(items)


def _disagreements(rows: tuple[OpinionRow, ...]) -> tuple[str, ...]:
    """A missed danger first, then another leader, then large gaps."""
    found = [
        f"The knowledge gives {row.name} {row.knowledge:.0%}; the agent does not name it."
        for row in rows
        if row.cant_miss and not row.named_by_agent and (row.knowledge or 0) >= 0.05
    ]
    ours = max(rows, key=lambda row: row.knowledge or 0.0)
    theirs = max((row for row in rows if row.named_by_agent), key=lambda row: row.agent or 0.0)
    if ours.key != theirs.key:
        found.append(f"The knowledge puts {ours.name} first, the agent {theirs.name}.")
    found += [
        f"{row.name}: the agent {row.agent:.0%}, the knowledge {row.knowledge:.0%}."
        for row in rows
        if row.apart and row.key not in (ours.key, theirs.key)
    ]
    return tuple(found)
