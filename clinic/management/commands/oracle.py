"""`manage oracle --case ID`: the story of one virtual case, turn by turn, as the exact oracle plays it."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from agents.world.model import model
from agents.world.planning import Planner
from agents.world.play import MAX_STEPS, Story, greedy, play
from agents.world.virtual import UnknownCase, open_case
from clinic.management.base import Command as BaseCommand
from clinic.services.errors import Refused
from clinic.services.virtual_clinic import refuse_sealed

BAR = 24


class Command(BaseCommand):
    help = "Play one virtual case with the oracle: what it asks and orders, and how sure it becomes."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--case", required=True, metavar="ID", help="for example virtual:test:0017")
        parser.add_argument("--lookahead", type=int, default=0, metavar="K", help="value K first steps by what follows")
        parser.add_argument("--steps", type=int, default=MAX_STEPS)

    def run(self, **options: Any) -> dict[str, Any]:
        refuse_sealed(options["case"])
        try:
            case = open_case(options["case"])
        except UnknownCase as error:
            raise Refused(f"There is no such virtual case: {error}.") from error
        planner = Planner()
        story = play(case, greedy(planner, lookahead=options["lookahead"]), planner, steps=options["steps"])
        self.story = story
        return {"ok": True, **story.as_dict()}

    def tell(self, result: dict[str, Any]) -> None:
        story = self.story
        self.stdout.write(f"{story.case}   (a simulated patient)\n\n  “{story.opening}”\n")
        self._differential(story.prior)
        for number, step in enumerate(story.steps, 1):
            verb = "asks about" if step.kind == "ask" else "orders"
            self.stdout.write(f"\n{number:2}. {verb} {self._name(step.examination)}   ({step.bits:+.2f} bits)")
            self.stdout.write("    " + step.result.replace("\n", "\n    "))
            self._differential(step.posterior)
        self._end(story)

    def _differential(self, ranked: tuple[tuple[str, float], ...]) -> None:
        for key, p in ranked:
            bar = "█" * round(p * BAR)
            self.stdout.write(f"    {bar:<{BAR}} {p:6.1%}  {model().known.conditions[key].name}")

    def _end(self, story: Story) -> None:
        named = model().known.conditions[story.diagnosis].name
        truth = model().known.conditions[story.truth].name
        verdict = "right" if story.correct else f"wrong, the truth is {truth}"
        self.stdout.write(f"\nDiagnosis: {named} ({story.confidence:.0%}), {verdict}. Cost {story.cost:.3f}.")

    def _name(self, key: str) -> str:
        known = model().known
        return known.findings[key].name if key in known.findings else known.catalogue.exams[key].name
