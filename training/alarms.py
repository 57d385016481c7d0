"""Alarms: something that a person must look at; raised once, and open until somebody says why it may be closed."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.utils import timezone

from clinic.models import Site, User
from clinic.services import audit
from clinic.services.errors import Refused
from training.models import Alarm

SENTENCES = {
    "only_keepers": "Only an administrator or an adjudicating physician of the site clears an alarm.",
    "why": "Say what was found. It is kept with the alarm; nothing was cleared.",
    "cleared": "This alarm was cleared already.",
}


@transaction.atomic
def raise_(
    *, kind: str, subject: str, message: str, site: Site | None = None, data: dict[str, Any] | None = None
) -> Alarm:
    """The open alarm of this kind and subject, new or seen again; without a site it is the installation's."""
    told = {"message": message, "data": data or {}}
    alarm, made = Alarm.objects.get_or_create(
        site=site, kind=kind, subject=subject[:160], cleared_at=None, defaults=told
    )
    if made:
        facts = {"kind": kind, "subject": alarm.subject}
        audit.record(by=None, action="alarm.raised", noun="alarm", target=alarm.pk, site=site, data=facts)
    else:
        alarm.message, alarm.data = message, data or {}
        alarm.save(update_fields=["message", "data", "seen_at"])
    return alarm


@transaction.atomic
def clear(*, alarm: Alarm, by: User, why: str) -> Alarm:
    """It may be raised again, as a new one, when it is seen again."""
    if not by.may_run_queues or (alarm.site_id is not None and alarm.site_id != by.site_id):
        raise Refused(SENTENCES["only_keepers"])
    if not why.strip():
        raise Refused(SENTENCES["why"])
    changed = Alarm.objects.filter(pk=alarm.pk, cleared_at=None).update(
        cleared_at=timezone.now(), cleared_by=by, cleared_why=why.strip()
    )
    if not changed:
        raise Refused(SENTENCES["cleared"])
    facts = {"kind": alarm.kind, "subject": alarm.subject}
    audit.record(by=by, action="alarm.cleared", noun="alarm", target=alarm.pk, site=alarm.site or by.site, data=facts)
    alarm.refresh_from_db()
    return alarm
