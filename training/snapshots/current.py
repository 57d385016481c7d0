"""Whether what was frozen may still be learned from: a withdrawal after the snapshot always wins."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from uuid import UUID

from clinic.learnable import WHY_NOT, cases_of, look_up, why_not
from clinic.services.errors import Refused
from clinic.training_rows.export import feedback_of
from training.models import Snapshot
from training.snapshots import files

SENTENCES = {
    "stale": "{why} since this snapshot was made. Rebuild it, and start the run on the rebuilt one.",
    "gone": "removed with their cases",
}
WORDS = {
    "withdrawn": "withdrawn",
    "quarantined": "quarantined",
    "proposed": "no longer approved",
    "no_consent": "taken back from training",
    "deleted": "deleted with their cases",
    "held_out": "put aside for measuring",
}


def stale(snapshot: Snapshot) -> dict[str, int]:
    """Why -> how many of its rows of feedback may not be learned from any more; empty where all may."""
    ids = [UUID(row["id"]) for row in snapshot.manifest["feedback"]]
    found: Counter[str] = Counter()
    seen = 0
    rows = list(feedback_of(snapshot.site, among=ids))
    look_up(case for row in rows for case in cases_of(row))
    for row in rows:
        seen += 1
        if reason := why_not(row):
            found[WORDS.get(reason, WHY_NOT[reason])] += 1
    if len(ids) > seen:
        found[SENTENCES["gone"]] += len(ids) - seen
    return dict(sorted(found.items()))


def said(reasons: Mapping[str, int]) -> str:
    """ "3 rows were withdrawn, 1 row was quarantined"."""
    return ", ".join(f"{n} {'row was' if n == 1 else 'rows were'} {why}" for why, n in reasons.items())


def check_current(snapshot: Snapshot) -> None:
    """Raises Refused where a row was withdrawn, or its files are gone: no run may begin on it."""
    if reasons := stale(snapshot):
        raise Refused(SENTENCES["stale"].format(why=said(reasons)))
    if not files.are_there(snapshot):
        raise Refused(files.SENTENCES["gone"])
