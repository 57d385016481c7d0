"""The rule-out ledger and the red flags: each verb one POST that works with and without JavaScript."""

from __future__ import annotations

from uuid import UUID

from django.http import Http404, HttpResponse
from django.views.decorators.http import require_POST

from clinic.models import Consultation, IllegalTransition, LedgerEntry, RedFlagAlert, StaleStatus
from clinic.services import ledger, red_flags
from clinic.services.errors import SENTENCES
from clinic.views.access import SignedIn
from clinic.views.consultation_actions import Verb, act


@require_POST
def ledger_add(request: SignedIn, consultation_id: UUID) -> HttpResponse:
    name = request.POST.get("name", "")[:200]
    return act(request, consultation_id, lambda r, c: ledger.add(consultation=c, by=r.user, name=name))


@require_POST
def ledger_exclude(request: SignedIn, consultation_id: UUID, entry_id: int) -> HttpResponse:
    evidence = [ref[:90] for ref in request.POST.getlist("evidence") if ref]
    return _decide(
        request,
        consultation_id,
        lambda r, c: ledger.exclude(entry=_entry(c, entry_id), by=r.user, evidence=evidence),
    )


@require_POST
def ledger_accept(request: SignedIn, consultation_id: UUID, entry_id: int) -> HttpResponse:
    reason = request.POST.get("reason", "")[:2000]
    return _decide(
        request, consultation_id, lambda r, c: ledger.accept(entry=_entry(c, entry_id), by=r.user, reason=reason)
    )


@require_POST
def ledger_reopen(request: SignedIn, consultation_id: UUID, entry_id: int) -> HttpResponse:
    return _decide(request, consultation_id, lambda r, c: ledger.reopen(entry=_entry(c, entry_id), by=r.user))


@require_POST
def red_flag_acknowledge(request: SignedIn, consultation_id: UUID, alert_id: int) -> HttpResponse:
    def seen(request: SignedIn, found: Consultation) -> None:
        alert = RedFlagAlert.objects.filter(pk=alert_id, consultation=found).first()
        if alert is None:
            raise Http404("There is no such red flag in this consultation.")
        red_flags.acknowledge(alert=alert, by=request.user)

    return act(request, consultation_id, seen)


def _decide(request: SignedIn, consultation_id: UUID, verb: Verb) -> HttpResponse:
    """An entry that somebody else has moved meanwhile is shown as it stands now."""

    def decided(request: SignedIn, found: Consultation) -> None:
        try:
            verb(request, found)
        except IllegalTransition as error:
            raise StaleStatus(SENTENCES["stale"]) from error

    return act(request, consultation_id, decided)


def _entry(consultation: Consultation, entry_id: int) -> LedgerEntry:
    found = LedgerEntry.objects.filter(pk=entry_id, consultation=consultation).first()
    if found is None:
        raise Http404("There is no such entry in this consultation's ledger.")
    return found
