"""What a purged case left in files: frozen rows of snapshots, and what runs copied from them."""

from __future__ import annotations

from functools import partial

from django.db import transaction

from clinic.models import Case
from clinic.services.errors import Refused
from training import places
from training.models import Run, RunStatus, Snapshot
from training.snapshots import files

SENTENCES = {
    "learning": "A run learns from this case. Cancel {run}, or wait until it has finished; nothing was purged."
}
AT_WORK = (RunStatus.QUEUED, RunStatus.RUNNING)


def forget(case: Case) -> None:
    """Remove the files once the purge stands; rows keep digests and keys, so that lineage stays known.

    Raises Refused while a run on such a snapshot is at work.
    """
    held = list(Snapshot.objects.filter(site=case.site_id, case_rows__key=case.key))
    runs = list(Run.objects.filter(snapshot__in=held))
    for run in runs:
        if run.status in AT_WORK:
            raise Refused(SENTENCES["learning"].format(run=run))
    for snapshot in held:
        transaction.on_commit(partial(files.remove, snapshot))
    for run in runs:
        transaction.on_commit(partial(_forget_data, run))


def _forget_data(run: Run) -> None:
    """Of every try: each has its own copy, and `folder` names only the last."""
    for folder in {places.runs() / run.folder, *(places.runs() / str(run.pk)).glob("*")}:
        (folder / "data.jsonl").unlink(missing_ok=True)
