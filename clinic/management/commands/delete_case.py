"""`manage delete_case --case ID`: hide a case at once, and with --purge remove its rows for good."""

from typing import Any

from django.core.management.base import CommandParser

from clinic.management import base
from clinic.services import cases


class Command(base.Command):
    help = "Delete a case: hidden at once; with --purge its rows are removed for good. The audit log stays."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--case", required=True, help="the case's key or id")
        parser.add_argument("--reason", default="")
        what = parser.add_mutually_exclusive_group()
        what.add_argument("--purge", action="store_true", help="remove the rows of a case, deleted before or now")
        what.add_argument("--undo", action="store_true", help="show a deleted case again")

    def run(self, *, case: str, reason: str, purge: bool, undo: bool, **options: Any) -> dict[str, Any]:
        found = cases.find(name=case, include_deleted=True)
        result: dict[str, Any] = {"ok": True, "case": found.key, "deleted": not undo, "removed": {}}
        if undo:
            cases.undelete(case=found, by=None)
        elif not (purge and found.deleted_at):
            cases.delete(case=found, by=None, reason=reason)
        if purge:
            result["removed"] = cases.purge(case=found, by=None)
        return result

    def tell(self, result: dict[str, Any]) -> None:
        rows = sum(result["removed"].values())
        state = f"purged ({rows} rows)" if rows else "deleted" if result["deleted"] else "shown again"
        self.stdout.write(f"{result['case']} is {state}.")
