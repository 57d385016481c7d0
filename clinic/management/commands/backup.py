"""`manage backup FILE`: the whole database as one checked file."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from clinic.management import base
from clinic.services import backup


class Command(base.Command):
    help = "Write the database to one new file with a manifest and sha256 sums. Keep it as safe as the database."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("path", metavar="FILE", type=Path)

    def run(self, *, path: Path, **options: Any) -> dict[str, Any]:
        manifest = backup.backup(path=path.resolve())
        return {"ok": True, "file": str(path), **asdict(manifest)}

    def tell(self, result: dict[str, Any]) -> None:
        self.stdout.write(f"{result['file']} holds the database ({result['dump_bytes']} bytes).")
        self.stdout.write(f"Keep this audit head apart from it: {result['audit_head']}")
