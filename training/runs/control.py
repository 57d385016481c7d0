"""Cancel and resume: a person's wish is a row, and the supervisor or the next worker sees it."""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone

from clinic.models import User
from clinic.services import audit
from clinic.services.errors import Refused
from training import outbox, snapshots
from training.models import Run, RunStatus
from training.runs import attempts, disk
from training.runs.asking import TASK, check_admin
from training.runs.sentences import SENTENCES


@transaction.atomic
def cancel(*, run: Run, by: User) -> Run:
    """A waiting run ends here, and one whose worker is silent; a running one is asked. Raises Refused."""
    check_admin(by, run.site)
    held = Run.objects.select_for_update(no_key=True).get(pk=run.pk)
    if held.status == RunStatus.QUEUED:
        reason = SENTENCES["cancelled"].format(name=by.display_name)
        held.move_to(RunStatus.CANCELLED, by=by, reason=reason, finished_at=timezone.now(), doing="")
    elif held.status == RunStatus.RUNNING:
        if held.lease_until is not None and held.lease_until < timezone.now():
            # Nobody is there to hear it. A holder that wakes up finds another fence, and writes nothing.
            reason = SENTENCES["cancelled_silent"].format(name=by.display_name, worker=held.worker)
            over = {"lease_until": None, "child_pid": None, "doing": "", "finished_at": timezone.now()}
            held.move_to(RunStatus.CANCELLED, by=by, reason=reason, fence=held.fence + 1, **over)
        elif held.cancel_asked_at is None:
            Run.objects.filter(pk=held.pk).update(cancel_asked_at=timezone.now())
            held.refresh_from_db()
    else:
        raise Refused(SENTENCES["over"].format(status=held.get_status_display().lower()))
    audit.record(by=by, action="run.cancelled", noun="run", target=run.pk, data={"was": run.status}, site=run.site)
    return held


def resume(*, run: Run, by: User) -> Run:
    """Queued again, to go on from its last STABLE checkpoint; refused where that is not one certain place."""
    try:
        return _queued_again(run, by)
    except disk.DiskFull as full:
        disk.ring(full)
        raise


@transaction.atomic
def _queued_again(run: Run, by: User) -> Run:
    check_admin(by, run.site)
    held = Run.objects.select_for_update(no_key=True).get(pk=run.pk)
    if held.status not in (RunStatus.FAILED, RunStatus.CANCELLED):
        raise Refused(SENTENCES["not_resumable"].format(status=held.get_status_display().lower()))
    if held.snapshot:
        snapshots.check_current(held.snapshot)
    last = attempts.newest(held)
    if last is None:
        raise Refused(SENTENCES["no_checkpoint"])
    disk.make_room(keep=held)
    cleared = {"error": "", "doing": "", "cancel_asked_at": None, "finished_at": None}
    held.move_to(RunStatus.QUEUED, by=by, reason=f"resumed from step {last.step}", **cleared)
    outbox.put(task=TASK, arguments=[str(held.pk)])
    audit.record(by=by, action="run.resumed", noun="run", target=held.pk, data={"step": last.step}, site=held.site)
    return held
