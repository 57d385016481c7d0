"""`manage import_annotations FORMAT PATH`: judgements from a file, as often as you like."""

from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from clinic.management import base
from clinic.services import annotation_imports, sites


class Command(base.Command):
    help = "Import annotations; a second time changes nothing. Rejected lines are listed with their reasons."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("format", metavar="FORMAT", help=", ".join(annotation_imports.FORMATS))
        parser.add_argument("path", metavar="PATH", type=Path)
        parser.add_argument("--site", help="the site's short name, where there is more than one")

    def run(self, *, format: str, path: Path, site: str | None, **options: Any) -> dict[str, Any]:
        at = sites.find(slug=site)
        return annotation_imports.import_file(format=format, path=path, site=at, by=None).as_dict()

    def tell(self, result: dict[str, Any]) -> None:
        for rejection in result["rejected"]:
            self.stdout.write(f"rejected {rejection['record']}: {rejection['reason']}")
        self.stdout.write(
            f"{result['read']} read: {result['accepted']} accepted, {result['updated']} updated, "
            f"{result['unchanged']} unchanged, {len(result['rejected'])} rejected."
        )
