"""`manage import_rubrics FORMAT PATH`: rubrics from a file, as drafts that a physician publishes."""

from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from agents.rubric_formats import READERS
from clinic.management import base
from clinic.services import rubric_files, sites


class Command(base.Command):
    help = "Import rubrics as drafts; a second time changes nothing. Rejected ones are listed with their reasons."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("format", metavar="FORMAT", help=", ".join(READERS))
        parser.add_argument("path", metavar="PATH", type=Path)
        parser.add_argument("--site", help="the site's short name, where there is more than one")

    def run(self, *, format: str, path: Path, site: str | None, **options: Any) -> dict[str, Any]:
        return rubric_files.import_file(format=format, path=path, site=sites.find(slug=site), by=None).as_dict()

    def tell(self, result: dict[str, Any]) -> None:
        for rejection in result["rejected"]:
            self.stdout.write(f"rejected {rejection['record']}: {rejection['reason']}")
        if result["unmapped"]:
            self.stdout.write(f"fields left aside: {', '.join(result['unmapped'])}")
        self.stdout.write(
            f"{result['read']} read: {result['accepted']} accepted as drafts, {result['updated']} updated, "
            f"{result['unchanged']} unchanged, {len(result['rejected'])} rejected."
        )
