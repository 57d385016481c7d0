"""Files of what was judged and what may be learned: written for one site, counted, and audited."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from clinic import training_rows
from clinic.annotation_files import Left, annotations_of, as_row, csv_text
from clinic.models import Site, User
from clinic.services import audit
from clinic.services.errors import Refused


@dataclass(frozen=True, slots=True)
class File:
    """What was written, and what was left out of it."""

    name: str
    type: str
    text: str
    counts: dict[str, Any]


def write(*, site: Site, format: str, by: User | None) -> File:
    """One format of FORMATS; Refused for another. `by` None is a command on the server."""
    writer = _WRITERS.get(format)
    if writer is None:
        raise Refused(f"{format} is no format of these; choose {', '.join(FORMATS)}.")
    if by is not None and not (by.may_run_queues and by.site_id == site.pk):
        raise Refused("Only adjudicators and administrators of the site export what was judged.")
    text, counts = writer(site, format, by)
    facts = {name: counts[name] for name in ("format", "rows", "read", "used")}
    audit.record(by=by, action="feedback.exported", noun="site", target=site.slug, site=site, data=facts)
    ending, kind = ("csv", "text/csv") if format == "csv" else ("jsonl", "application/jsonl")
    return File(f"rounds-{format}.{ending}", f"{kind}; charset=utf-8", text, counts)


def _training(site: Site, format: str, by: User | None) -> tuple[str, dict[str, Any]]:
    found = training_rows.export(site=site, format=format)
    return _lines(found.rows), found.as_dict()


def _annotations(site: Site, format: str, by: User | None) -> tuple[str, dict[str, Any]]:
    left = Left()
    rows = list(annotations_of(site, left, by))
    text = csv_text(rows) if format == "csv" else _lines([as_row(row) for row in rows])
    counts = {
        "format": format,
        "rows": sum(1 for _ in csv.reader(io.StringIO(text))) - 1 if format == "csv" else len(rows),
    }
    return text, {**counts, "read": left.read, "used": len(rows), "left_out": dict(sorted(left.left_out.items()))}


def _lines(rows: list[dict[str, Any]]) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


_WRITERS: dict[str, Callable[[Site, str, User | None], tuple[str, dict[str, Any]]]] = {
    **dict.fromkeys(training_rows.FORMATS, _training),
    "csv": _annotations,
    "jsonl": _annotations,
}
FORMATS = tuple(_WRITERS)
