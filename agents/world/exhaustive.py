"""The best possible value of a small decision problem, by trying every order of examinations: for measuring gaps."""

from __future__ import annotations

from collections.abc import Sequence

from agents.world.oracle import Belief
from agents.world.outcomes import Parts
from agents.world.planning import Planner


def optimal_value(now: Belief, exams: Sequence[str], planner: Planner) -> float:
    """Expected utility minus cost of the optimal policy; `exams` must be single categorical ones.

    Cost grows with the factorial of their number times the number of results: four is fine.
    """
    best = planner.value(now)
    for exam in exams:
        rest = [other for other in exams if other != exam]
        after = sum(weight * optimal_value(then, rest, planner) for weight, then in Parts(now, exam).branches())
        best = max(best, after - _price(now, exam, planner))
    return best


def policy_value(now: Belief, exams: Sequence[str], planner: Planner, *, lookahead: int) -> float:
    """The same for the planner's own policy, restricted to these examinations."""
    chosen = planner.choose(now, lookahead=lookahead, exams=exams, ask=False)
    if chosen is None:
        return planner.value(now)
    rest = [other for other in exams if other != chosen.id]
    branches = Parts(now, chosen.id).branches()
    after = sum(weight * policy_value(then, rest, planner, lookahead=lookahead) for weight, then in branches)
    return after - _price(now, chosen.id, planner)


def _price(now: Belief, exam: str, planner: Planner) -> float:
    return planner.cost.price(now.frame.model.known.catalogue.exams[exam])
