"""`manage export_rubrics FORMAT PATH`: the rubrics in force at a site, in one file."""

from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from agents.rubric_formats import WRITERS
from clinic.management import base
from clinic.models import RubricStatus, RubricVersion
from clinic.services import rubric_files, sites


class Command(base.Command):
    help = "Write the rubrics in force to a file; with --id one version, whatever its status."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("format", metavar="FORMAT", choices=list(WRITERS), help=", ".join(WRITERS))
        parser.add_argument("path", metavar="PATH", type=Path)
        parser.add_argument("--id", help="one version's id")
        parser.add_argument("--site", help="the site's short name, where there is more than one")

    def run(self, *, format: str, path: Path, id: str | None, site: str | None, **options: Any) -> dict[str, Any]:
        at = sites.find(slug=site)
        versions = RubricVersion.objects.filter(rubric__site=at, rubric__case__deleted_at=None).select_related(
            "rubric__case"
        )
        versions = versions.filter(pk=id) if id else versions.filter(status=RubricStatus.PUBLISHED)
        found = list(versions.prefetch_related("criteria").order_by("rubric__title", "number"))
        path.write_text(rubric_files.export(versions=found, format=format, by=None, site=at), encoding="utf-8")
        return {"ok": True, "format": format, "path": str(path), "rubrics": len(found)}
