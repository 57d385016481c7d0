"""What cards alone are worth: `python -m benchmarks.cards [--split test] [--cases 100] [--json]`.

How often the true condition's card is brought up (first, among six) by the inquiry and after all that the greedy
oracle ordered; and a script that only follows cards (it orders what settles the best ones and names the best), beside
the oracle on the same patients. It bounds what a policy can learn from this context without knowing more.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass

from agents.codecs import CardsCodec
from agents.codecs.cards import facts_after
from agents.examinations import find, match
from agents.knowledge.cards import search
from agents.types import Exchange
from agents.world.planning import CostModel, Planner
from agents.world.play import Story, greedy, perform, play
from agents.world.virtual import VirtualCase, case_id, open_case
from training.evaluation.policies import question

FOLLOWERS = ((0.0, 0), (2.0, 3), (2.0, 5), (4.0, 6), (99.0, 11))
"""(points ahead of the second card at which it stops, most examinations)."""
LOOKED_AT = 3
"""Cards whose settling examinations it considers, best first."""
CODEC = CardsCodec()
SAID = "examine: {} | | Unknown 1 O"


@dataclass(frozen=True, slots=True)
class Followed:
    right: bool
    requests: int
    cost: float


def follow(case: VirtualCase, ahead: float, most: int) -> Followed:
    """One patient by the script; cost in the planner's units."""
    exchanges: list[Exchange] = []
    cost = 0.0
    while True:
        cards = search(facts_after(case.inquiry(), exchanges))
        first, second = cards[:2]
        done = {exchange.said for exchange in exchanges}
        wanted = [name for card in cards[:LOOKED_AT] for name in card.settling]
        wanted = [name for name in wanted if SAID.format(name) not in done]
        if not wanted or len(exchanges) >= most or first.score - second.score >= ahead:
            return Followed(first.condition == case.patient.condition.id, len(exchanges), cost)
        entry = find(match(wanted[0])[0].exam)
        cost += CostModel().price(entry) if entry else 0.0
        replies = [reply.observation for reply in case.examine(wanted[0])]
        exchanges.append(Exchange(SAID.format(wanted[0]), CODEC.reply(replies)))


def brought_up(case: VirtualCase, story: Story) -> dict[str, bool]:
    """Whether the true card is first, and among six: at first, and after all that a story asked and ordered."""
    exchanges = []
    for step in story.steps:
        kind, reply = perform(case, step.examination)
        said = (
            SAID.format(step.examination) if kind == "examine" else f"ask: {question(step.examination)} | | Unknown 1 O"
        )
        exchanges.append(Exchange(said, CODEC.reply([reply.observation])))
    found = {}
    for when, told in (("inquiry", []), ("after", exchanges)):
        cards = [card.condition for card in search(facts_after(case.inquiry(), told))]
        found[f"{when}_first"] = cards[:1] == [story.truth]
        found[f"{when}_six"] = story.truth in cards
        found[f"{when}_as_oracle"] = cards[:1] == [story.diagnosis]
    return found


def measure(split: str, count: int) -> dict[str, object]:
    planner = Planner()
    cases = [open_case(case_id(split, number)) for number in range(count)]
    stories = [play(case, greedy(planner), planner) for case in cases]
    seen = [brought_up(case, story) for case, story in zip(cases, stories, strict=True)]
    oracle = {
        "accuracy": _mean([story.correct for story in stories]),
        "requests": _mean([len(story.steps) for story in stories]),
        "cost": _mean([story.cost for story in stories]),
    }
    followed = []
    for ahead, most in FOLLOWERS:
        rows = [follow(case, ahead, most) for case in cases]
        accuracy = _mean([row.right for row in rows])
        followed.append(
            {"ahead": ahead, "most": most, "accuracy": accuracy, "of_oracle": accuracy / (oracle["accuracy"] or 1.0),
             "requests": _mean([row.requests for row in rows]), "cost": _mean([row.cost for row in rows])}
        )  # fmt: skip
    shares = {name: _mean([row[name] for row in seen]) for name in seen[0]}
    return {"split": split, "cases": count, "oracle": oracle, "brought_up": shares, "followers": followed}


def _mean(values: Sequence[float]) -> float:
    return round(sum(values) / len(values), 4)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cards", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--split", default="test", choices=["train", "validation", "test"])
    parser.add_argument("--cases", type=int, default=100)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    found = measure(given.split, given.cases)
    if not given.json:
        _table(found)
    print(json.dumps(found))


def _table(found: dict[str, object]) -> None:
    for name, value in found.items():
        rows = value if isinstance(value, list) else [value]
        for row in rows:
            print(f"{name:<12}{row}")


if __name__ == "__main__":
    main()
