"""`manage export_feedback FORMAT`: training rows, or annotations, of one site as a file."""

from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from clinic.management import base
from clinic.services import annotation_exports, sites


class Command(base.Command):
    help = "Write approved feedback as training rows (sft, dpo, kto, grpo), or annotations (csv, jsonl). Audited."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("format", metavar="FORMAT", help=", ".join(annotation_exports.FORMATS))
        parser.add_argument("--out", type=Path, help="a file to write; without it the rows are printed")
        parser.add_argument("--site", help="the site's short name, where there is more than one")

    def run(self, *, format: str, out: Path | None, site: str | None, **options: Any) -> dict[str, Any]:
        written = annotation_exports.write(site=sites.find(slug=site), format=format, by=None)
        if out is None:
            self.stdout.write(written.text, ending="")
            return written.counts
        out.write_text(written.text, "utf-8")
        return {**written.counts, "file": str(out), "bytes": out.stat().st_size}

    def tell(self, result: dict[str, Any]) -> None:
        said = f"{result['rows']} rows from {result['used']} of {result['read']} read."
        reasons = [f"{number} {why}" for why, number in result["left_out"].items()]
        self.stderr.write(said + (f" Left out: {'; '.join(reasons)}." if reasons else ""))
