"""Whether a predicted diagnosis is the reference diagnosis: by table first, by a judge where the table cannot tell.

A single primary diagnosis counts. What follows it (complications, causes) is tolerated up to a number of listed
diagnoses; a choice ("A or B") and a long list are wrong whatever they contain. The published rule, under which a
prediction that contains the right diagnosis anywhere counts (arXiv 2510.24654), is DIAGBENCH_RULE, with a cap.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from agents.matching.names import core, initials, key, named, tokens
from agents.matching.ontology import Ontology, Resolved, ontology, rivals


@dataclass(frozen=True, slots=True)
class ListingRule:
    """How many diagnoses a prediction may list, and whether any of them may be the right one or only the first."""

    most_listed: int = 3
    anywhere: bool = False
    alternatives: bool = False


PRIMARY_RULE = ListingRule()
DIAGBENCH_RULE = ListingRule(most_listed=4, anywhere=True, alternatives=True)


@dataclass(frozen=True, slots=True)
class DiagnosisMatch:
    """The verdict and how it came about.

    `correct` is None where the table cannot tell (a name outside the knowledge that is spelled differently);
    `primary` is the part that a judge should compare; `listed` the number of diagnoses named.
    """

    correct: bool | None
    how: str
    primary: str = ""
    listed: int = 0
    predicted: str | None = None
    reference: str | None = None


SecondOpinion = Callable[[str, str], Awaitable[bool]]
"""(predicted, reference) to "the same diagnosis"; raises agents.judge.JudgeError when it cannot say."""


def match_diagnosis(
    predicted: str | None, reference: str, *, rule: ListingRule = PRIMARY_RULE, known: Ontology | None = None
) -> DiagnosisMatch:
    """Compare by table; raises ValueError without a reference."""
    if not reference.strip():
        raise ValueError("a case without a reference diagnosis cannot be scored")
    if not predicted or not predicted.strip():
        return DiagnosisMatch(False, "no diagnosis")
    known = known or ontology()
    whole = _pair(predicted, reference, known)
    if whole.correct:
        return replace(whole, listed=1)
    said = named(predicted)
    if not said.parts:
        return DiagnosisMatch(False, "no diagnosis")
    if said.alternatives and not rule.alternatives:
        return DiagnosisMatch(False, "names alternatives", said.parts[0], len(said.parts))
    if len(said.parts) > rule.most_listed:
        return DiagnosisMatch(False, "lists too many", said.parts[0], len(said.parts))
    found = [_pair(part, reference, known) for part in (said.parts if rule.anywhere else said.parts[:1])]
    best = min(found, key=lambda match: (match.correct is not True, match.correct is False))
    return replace(best, listed=len(said.parts))


async def settle_diagnosis(
    predicted: str | None,
    reference: str,
    *,
    rule: ListingRule = PRIMARY_RULE,
    known: Ontology | None = None,
    second_opinion: SecondOpinion | None = None,
) -> DiagnosisMatch:
    """As `match_diagnosis`; what the table cannot tell is asked of `second_opinion`, whose errors pass through.

    Without one it stays None: undecided is neither right nor wrong until someone says how to count it.
    """
    match = match_diagnosis(predicted, reference, rule=rule, known=known)
    if match.correct is not None or second_opinion is None:
        return match
    return replace(match, correct=await second_opinion(match.primary, reference), how="judge")


def _pair(predicted: str, reference: str, known: Ontology) -> DiagnosisMatch:
    """One name against the reference."""
    left, right = known.resolve(predicted), named_condition(reference, known)
    ids = left.condition if left else None, right.condition if right else None
    if _spelled_alike(predicted, reference):
        return DiagnosisMatch(True, "same words", predicted, 1, *ids)
    if left and right:
        correct = left.condition == right.condition and not _exclusive(left, right)
        return DiagnosisMatch(correct, left.via if correct else "another condition", predicted, 1, *ids)
    return DiagnosisMatch(None, "undecided", predicted, 1, *ids)


def named_condition(reference: str, known: Ontology | None = None) -> Resolved | None:
    """The condition that a recorded diagnosis means, None where the knowledge has none of its names.

    It may carry brackets and complications: the whole counts, else its first name.
    """
    known = known or ontology()
    whole = known.resolve(reference)
    if whole:
        return whole
    parts = named(reference).parts
    return known.resolve(parts[0]) if parts else None


def _exclusive(left: Resolved, right: Resolved) -> bool:
    return rivals(left.key, right.key)


def _spelled_alike(predicted: str, reference: str) -> bool:
    """Equal but for spelling, qualifiers and the order of words; or one is the other's acronym in capitals."""
    left, right = core(tokens(predicted)), core(tokens(reference))
    if not left or not right:
        return False
    if key(left) == key(right) or sorted(left) == sorted(right):
        return True
    return _acronym_of(predicted, right) or _acronym_of(reference, left)


def _acronym_of(short: str, words: list[str]) -> bool:
    short = short.strip(" .")
    return bool(re.fullmatch(r"[A-Z]{3,6}", short)) and short.lower() == initials(words)
