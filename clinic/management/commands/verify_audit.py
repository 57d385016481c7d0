"""`manage verify_audit`: is the audit log whole and unaltered?"""

from typing import Any

from django.core.management.base import CommandParser

from clinic.management import base
from clinic.services import audit


class Command(base.Command):
    help = "Check every entry of the audit log against the hash chain. Exit code 1 when it does not hold."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--head", help="a hash noted earlier (a backup's manifest has one) that must still occur")

    def run(self, *, head: str | None = None, **options: Any) -> dict[str, Any]:
        ok, rows, first_bad = audit.verify(known_head=head)
        return {"ok": ok, "rows": rows, "first_bad": first_bad}

    def tell(self, result: dict[str, Any]) -> None:
        if result["ok"]:
            self.stdout.write(f"The audit log is whole: {result['rows']} entries.")
        else:
            self.stderr.write(f"The audit log is broken at entry {result['first_bad']} ({result['rows']} entries).")

    def is_good(self, result: dict[str, Any]) -> bool:
        return bool(result["ok"])
