"""`manage snapshot_diff BEFORE AFTER`: what differs between two snapshots."""

from typing import Any

from django.core.management.base import CommandParser

from clinic.management import base
from training import snapshots


class Command(base.Command):
    help = "Say what differs between two snapshots, each named by its id or the beginning of its digest."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("before", metavar="BEFORE")
        parser.add_argument("after", metavar="AFTER")

    def run(self, *, before: str, after: str, **_: Any) -> dict[str, Any]:
        found = snapshots.diff(snapshots.find(name=before), snapshots.find(name=after))
        return {"ok": True, **found.as_dict()}

    def tell(self, result: dict[str, Any]) -> None:
        if result["same"]:
            self.stdout.write("They are the same snapshot.")
            return
        for name in ("added", "removed", "cases_added", "cases_removed", "rubrics_added", "rubrics_removed"):
            self.stdout.write(f"{name.replace('_', ' ')}: {len(result[name])}")
        for name in ("reweighed", "moved", "formats", "excluded", "settings"):
            for what, (one, other) in result[name].items():
                self.stdout.write(f"{name}: {what} {one} -> {other}")
