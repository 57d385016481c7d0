"""One disagreement: everybody's verdicts side by side, and how it is settled."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_POST

from clinic.disputes import CHOICES, Dispute, dispute_of
from clinic.services import adjudication
from clinic.services.errors import Refused
from clinic.sheet import VERDICTS
from clinic.sheet_form import preference_sheet, rubric_sheet
from clinic.transcript import Spoken, transcripts
from clinic.views.access import SignedIn, adjudicators_only, queue_keepers_only

PREFERRED = {"first": "a", "second": "b", "same": "same"}


@queue_keepers_only
@require_GET
def agreement_item(request: SignedIn, item_id: UUID) -> HttpResponse:
    return _page(request, _dispute(request, item_id))


@adjudicators_only
@require_POST
def agreement_adjudicate(request: SignedIn, item_id: UUID) -> HttpResponse:
    found = _dispute(request, item_id)
    typed = request.POST.dict()
    sheet = preference_sheet(typed, swapped=False) if found.item.other_id else rubric_sheet(typed)
    try:
        adjudication.adjudicate(item=found.item, by=request.user, sheet=sheet, reason=typed.get("reason", ""))
    except Refused as refusal:
        return _page(request, found, trouble=str(refusal), typed=typed)
    messages.success(request, "Settled. Your judgement stands for this consultation.")
    return redirect("agreement")


def _dispute(request: SignedIn, item_id: UUID) -> Dispute:
    found = dispute_of(item_id, request.user)
    if found is None:
        raise Http404("There is no such item, or it is not open to you.")
    return found


def _page(request: SignedIn, found: Dispute, *, trouble: str = "", typed: dict[str, str] | None = None) -> HttpResponse:
    """Typed words are shown again; nothing of others' while this person may not see it."""
    open_to_me = found.may_be_read_by(request.user)
    both = [pk for pk in (found.item.consultation_id, found.item.other_id) if pk]
    told = transcripts(both) if open_to_me else {}
    turns = told.get(found.item.consultation_id, [])
    lines = found.lines(turns) if open_to_me else []
    for line in lines:
        for place in line.places:
            _fill(place, typed, compares=line.criterion is None)
    context = {
        "dispute": found,
        "open_to_me": open_to_me,
        "lines": lines,
        "sides": _sides(found, told),
        "verdicts": VERDICTS,
        "choices": CHOICES.items(),
        "obstacle": adjudication.obstacle(dispute=found, by=request.user),
        "trouble": trouble,
        "reason": (typed or {}).get("reason", ""),
    }
    return render(request, "clinic/annotation/agreement_item.html", context, status=422 if trouble else 200)


def _fill(place: dict[str, object], typed: dict[str, str] | None, *, compares: bool) -> None:
    """What was typed before it was refused takes the place of what is proposed."""
    if compares:
        place["verdict"] = PREFERRED.get(str(place["verdict"]), "")
    if typed is None:
        return
    name = place["name"]
    if compares:
        place["verdict"], place["evidence"] = typed.get(f"p@{name}", ""), typed.get(f"w@{name}", "")
        return
    for letter, key in (("v", "verdict"), ("e", "evidence"), ("t", "evidence_turn"), ("r", "reason")):
        place[key] = typed.get(f"{letter}@{name}", "")


def _sides(found: Dispute, told: dict[UUID, list[Spoken]]) -> list[tuple[str, list[Spoken]]]:
    """The consultation, or both with their letters; ids of a second one are kept apart by its letter."""
    first = told.get(found.item.consultation_id, [])
    if found.item.other_id is None:
        return [("", first)] if told else []
    return [("A", first), ("B", told.get(found.item.other_id, []))] if told else []
