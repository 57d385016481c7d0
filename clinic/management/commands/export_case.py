"""`manage export_case --case ID`: everything kept about one case, as one JSON document."""

import json
from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from clinic.management import base
from clinic.services import cases


class Command(base.Command):
    help = "Write a case with its consultations, findings and audit entries as JSON. The export is audited."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--case", required=True, help="the case's key or id")
        parser.add_argument("--out", type=Path, help="a file to write; without it the document is printed")

    def run(self, *, case: str, out: Path | None, **options: Any) -> dict[str, Any]:
        document = cases.export(case=cases.find(name=case, include_deleted=True), by=None)
        if out is None:
            return document
        out.write_text(json.dumps(document, ensure_ascii=False, indent=1) + "\n", "utf-8")
        return {"ok": True, "case": document["case"]["key"], "file": str(out), "bytes": out.stat().st_size}

    def tell(self, result: dict[str, Any]) -> None:
        if "file" in result:
            self.stdout.write(f"{result['case']} is in {result['file']} ({result['bytes']} bytes).")
        else:
            self.stdout.write(json.dumps(result, ensure_ascii=False, indent=1))
