"""`manage restore FILE`: a backup back into the database, all of it or nothing."""

from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from clinic.management import base
from clinic.services import backup


class Command(base.Command):
    help = "Check a backup and put it into an empty database; with --force it replaces what is there."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("path", metavar="FILE", type=Path)
        parser.add_argument("--force", action="store_true", help="replace a database that is not empty")

    def run(self, *, path: Path, force: bool, **options: Any) -> dict[str, Any]:
        manifest = backup.restore(path=path.resolve(), force=force)
        return {"ok": True, "file": str(path), "made_at": manifest.made_at, "audit_rows": manifest.audit_rows}

    def tell(self, result: dict[str, Any]) -> None:
        self.stdout.write(f"The database is as it was on {result['made_at']}; its audit log is whole.")
