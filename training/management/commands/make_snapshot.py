"""`manage make_snapshot`: freeze what a site may learn from; with --rebuild an earlier one without some cases."""

from typing import Any

from django.core.management.base import CommandParser

from clinic.management import base
from clinic.services import sites
from training import snapshots
from training.models import Snapshot


class Command(base.Command):
    help = "Freeze approved feedback as a snapshot. The same feedback gives the same digest, files and row."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--name", default="", help="what people call it")
        parser.add_argument("--without", action="append", default=[], metavar="CASE", help="a case's key; repeatable")
        parser.add_argument("--rebuild", metavar="SNAPSHOT", help="id or digest: its feedback only, nothing new")
        parser.add_argument("--site", help="the site's short name, where there is more than one")

    def run(self, *, name: str, without: list[str], rebuild: str | None, site: str | None, **_: Any) -> dict[str, Any]:
        at = sites.find(slug=site)
        before = Snapshot.objects.filter(site=at).count()
        if rebuild:
            made = snapshots.rebuild(snapshot=snapshots.find(name=rebuild, site=at), without=without, by=None)
        else:
            made = snapshots.make(site=at, by=None, name=name, without=without)
        return {**_told(made), "made": Snapshot.objects.filter(site=at).count() > before}

    def tell(self, result: dict[str, Any]) -> None:
        self.stdout.write(f"{result['digest']}{'' if result['made'] else ' (was there already)'}")
        for format, splits in result["rows"].items():
            self.stdout.write(f"{format}: {splits['train']} rows to train, {splits['validation']} to validate")
        for why, number in result["left_out"].items():
            self.stdout.write(f"left out: {number} {why}")


def _told(made: Snapshot) -> dict[str, Any]:
    told = made.manifest
    return {
        "ok": True,
        "snapshot": str(made.pk),
        "digest": made.digest,
        "feedback": len(told["feedback"]),
        "cases": len(told["cases"]),
        "rows": {name: {s: one[s] for s in ("train", "validation")} for name, one in told["formats"].items()},
        "left_out": {why: len(ids) for why, ids in told["excluded"].items()},
        "removed": told["removed"],
    }
