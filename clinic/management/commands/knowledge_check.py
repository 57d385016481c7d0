"""`manage knowledge_check`: every gate of the virtual clinic's knowledge, its value, its bounds, whether it holds."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from agents.knowledge.check import Gate
from clinic.management.base import Command as BaseCommand
from clinic.services import virtual_clinic


class Command(BaseCommand):
    help = "Check the knowledge: sampled against authored numbers, the oracle against enumeration."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--again", action="store_true", help="compute even if this version was checked before")

    def run(self, **options: Any) -> dict[str, Any]:
        row = virtual_clinic.check_knowledge(again=options["again"], tell=self._progress)
        return {"ok": row.holds, "version": row.version, "conditions": row.conditions, "gates": row.gates}

    def _progress(self, gate: Gate) -> None:
        self.stderr.write(f"{'holds' if gate.holds else 'FAILS'}  {gate.name} = {gate.value:.4g}")

    def tell(self, result: dict[str, Any]) -> None:
        self.stdout.write(f"Knowledge {result['version']}: {result['conditions']} conditions")
        for name, gate in result["gates"].items():
            low, high = ("open" if bound is None else f"{bound:g}" for bound in gate["bounds"])
            verdict = "holds" if gate["holds"] else "FAILS"
            self.stdout.write(f"  {verdict}  {name:42} {gate['value']:<12g} [{low}, {high}]  {gate['detail']}")

    def is_good(self, result: dict[str, Any]) -> bool:
        return bool(result["ok"])
