"""`manage consult --case ID`: the agent against a case without a browser; the Episode as JSON, or its story."""

from __future__ import annotations

import textwrap
from typing import Any

from django.core.management.base import CommandParser

from agents.types import Action, End, EpisodeTurn, Hypothesis
from clinic.management import base
from clinic.services import episodes, sites

WIDTH = 100
VERBS = {"ask": "asks", "examine": "orders", "diagnose": "diagnoses", "defer": "defers"}
ENDS = {
    End.FINISH: "Diagnosis reached.",
    End.DEFER: "The agent deferred.",
    End.MALFORMED: "The agent's answers could not be read as actions.",
    End.MAX_TURNS: "The agent reached the limit of turns.",
    End.TOKEN_BUDGET: "The consultation no longer fits the model's context.",
    End.ENV_ERROR: "It broke off.",
}


class Command(base.Command):
    help = "Let the serving agent (or --policy) work up a case that answers from its record; print the Episode."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--case", required=True, metavar="ID", help="a case's key or id, or virtual:test:0017")
        parser.add_argument("--site", help="the site's short name, where a key occurs at more than one")
        parser.add_argument("--policy", metavar="P", help="a registered version, or a server as URL#MODEL")
        parser.add_argument("--seed", type=int, help="of the sampling")
        parser.add_argument("--temperature", type=float, default=0.0)
        parser.add_argument(
            "--world",
            choices=("own", "language"),
            default="own",
            help="what answers: the case itself, or a world model",
        )
        parser.add_argument("--tokens", action="store_true", help="keep sampled token ids and log-probabilities")

    def run(self, *, site: str | None, json: bool, world: str, **options: Any) -> dict[str, Any]:
        names = ("case", "policy", "seed", "temperature", "tokens")
        chosen = {name: options[name] for name in names} | {"language": world == "language"}
        at = sites.find(slug=site) if site else None
        return episodes.consult(site=at, on_turn=None if json else self._tell_turn, **chosen).as_dict()

    def is_good(self, result: dict[str, Any]) -> bool:
        if result["error"]:
            self.stderr.write(f"The consultation broke off: {result['error']}")
        return result["end"] != End.ENV_ERROR

    def tell(self, result: dict[str, Any]) -> None:
        forced = " (asked for at the limit of turns)" if result["forced"] else ""
        self.stdout.write(f"\n{ENDS[End(result['end'])]}{forced}  {result['diagnosis'] or ''}")
        cost, policy = result["cost"], result["policy"]["version"]
        self.stdout.write(f"{cost['examinations']} examinations, {result['seconds']} s, by {policy}.")
        if result["world"]["backend"] == "language":
            world = result["world"]
            by = ", ".join(dict.fromkeys([world["model"], world["version"]]))  # the embedded server names it by version
            self.stdout.write(f"Results are simulated: {by}, seed {world['seed']}.")

    async def _tell_turn(self, turn: EpisodeTurn) -> None:
        if turn.role == "agent":
            self._tell_agent(turn)
        for observation in turn.observations:
            self._paragraph(f"{observation.source}: {observation.text}", "      ")

    def _tell_agent(self, turn: EpisodeTurn) -> None:
        if turn.action is None:
            self.stdout.write(f"\n{turn.n:3}. says what is no clear action")
            self._paragraph(turn.text, "     ")
        else:
            self._tell_action(turn.n, turn.action)

    def _tell_action(self, number: int, action: Action) -> None:
        self.stdout.write(f"\n{number:3}. {VERBS[action.kind]}: {action.target}")
        self._paragraph(action.reason, "     ")
        for hypothesis in action.differential:
            self.stdout.write(f"       {_percent(hypothesis):>5}  {hypothesis.diagnosis}")

    def _paragraph(self, text: str, indent: str) -> None:
        for line in text.splitlines():
            for part in textwrap.wrap(line, WIDTH - len(indent)):
                self.stdout.write(indent + part)


def _percent(hypothesis: Hypothesis) -> str:
    return "" if hypothesis.probability is None else f"{hypothesis.probability:.0%}"
