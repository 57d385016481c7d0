"""The intake: a form saved as it is typed, a note read into proposals, a FHIR bundle taken in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST

from clinic.context import served
from clinic.intake_form import IntakeForm
from clinic.models import FindingState, IntakeDraft
from clinic.services import intake
from clinic.services.errors import Refused
from clinic.views.access import SignedIn

DRAFTS_SHOWN = 5


def case_new(request: SignedIn) -> HttpResponse:
    """An empty intake; the first thing typed makes it a draft."""
    if request.method == "POST":
        return _submit(request, None)
    drafts = IntakeDraft.objects.visible_to(request.user)[:DRAFTS_SHOWN]
    return _page(request, IntakeForm(), None, drafts=drafts)


def intake_draft(request: SignedIn, draft_id: UUID) -> HttpResponse:
    draft = _visible(request, draft_id)
    if request.method == "POST":
        return _submit(request, draft)
    return _page(request, IntakeForm(initial=_initial(draft)), draft)


@require_POST
def intake_save(request: SignedIn) -> HttpResponse:
    """What is typed, as it is typed; the address becomes the draft's own with the first save."""
    draft_id = request.POST.get("draft", "")
    draft = _visible(request, draft_id) if draft_id else None
    try:
        draft = intake.save(by=request.user, draft=draft, fields=_typed(request))
    except Refused as refusal:
        return render(request, "clinic/intake/saved.html", {"trouble": str(refusal)})
    answer = render(request, "clinic/intake/saved.html", {"draft": draft, "at": timezone.now()})
    if not draft_id:
        answer["HX-Replace-Url"] = reverse("intake_draft", args=[draft.pk])
    return answer


@require_POST
def intake_read(request: SignedIn) -> HttpResponse:
    """Read the pasted note; what it says is proposed, quoted, and waits."""
    note = _typed(request).get("note", "")
    return _change(request, lambda draft: intake.read_note(draft=draft, by=request.user, note=note))


@require_POST
def intake_finding(request: SignedIn) -> HttpResponse:
    """A finding chosen from the vocabulary with its state: "code:state"."""
    code, _, state = request.POST.get("choose", "").rpartition(":")
    return _change(request, lambda draft: intake.add_finding(draft=draft, by=request.user, code=code, state=state))


@require_POST
def intake_decide(request: SignedIn) -> HttpResponse:
    """One proposal: "id:confirmed:absent", "id:dismissed", "id:pending"; or all that stand on the page."""
    if request.POST.get("all"):
        shown = request.POST.getlist("shown")
        return _change(request, lambda draft: intake.confirm_shown(draft=draft, by=request.user, proposals=shown))
    proposal, decision, state = [*request.POST.get("decide", "").split(":"), "", ""][:3]
    return _change(
        request,
        lambda draft: intake.decide(draft=draft, by=request.user, proposal=proposal, decision=decision, state=state),
    )


def intake_matches(request: SignedIn) -> HttpResponse:
    """The typeahead's answer: findings of the vocabulary, each with the three states to choose from."""
    typed = request.GET.get("finding", "")[:80]
    found = intake.suggestions(typed)
    return render(
        request, "clinic/intake/matches.html", {"found": found, "typed": typed, "states": FindingState.choices}
    )


@require_POST
def intake_import(request: SignedIn) -> HttpResponse:
    upload = request.FILES.get("bundle")
    try:
        if upload is None:
            raise Refused("Choose a file first: a FHIR R4 bundle of one patient.")
        content = upload.read(intake.BUNDLE_BYTES + 1)
        draft = intake.import_bundle(by=request.user, content=content, name=(upload.name or "bundle")[:80])
    except Refused as refusal:
        messages.error(request, str(refusal))
        return redirect("case_new")
    messages.success(request, "The record was read. Check every line; its results wait below to be confirmed.")
    return redirect("intake_draft", draft.pk)


@require_POST
def intake_discard(request: SignedIn, draft_id: UUID) -> HttpResponse:
    intake.discard(draft=_visible(request, draft_id), by=request.user)
    messages.success(request, "The draft was discarded.")
    return redirect("case_new")


def _change(request: SignedIn, change: Callable[[IntakeDraft], Any]) -> HttpResponse:
    """One change of the proposals; without JavaScript the whole page comes back with everything as typed."""
    draft_id = request.POST.get("draft", "")
    trouble = ""
    draft = _visible(request, draft_id) if draft_id else None
    try:
        draft = intake.save(by=request.user, draft=draft, fields=_typed(request))
        change(draft)
    except Refused as refusal:
        trouble = str(refusal)
    if draft is None:
        messages.error(request, trouble)
        return redirect("case_new")
    draft.refresh_from_db()
    if not request.htmx:
        if trouble:
            messages.error(request, trouble)
        return redirect("intake_draft", draft.pk)
    answer = render(request, "clinic/intake/findings.html", {**_findings(draft), "trouble": trouble, "swapped": True})
    if not draft_id:
        answer["HX-Replace-Url"] = reverse("intake_draft", args=[draft.pk])
    return answer


def _submit(request: SignedIn, draft: IntakeDraft | None) -> HttpResponse:
    """Save what was typed before anything can refuse it, then make the case."""
    draft_id = request.POST.get("draft", "")
    draft = draft or (_visible(request, draft_id) if draft_id else None)
    form = IntakeForm(request.POST)
    try:
        draft = intake.save(by=request.user, draft=draft, fields=_typed(request))
        if form.is_valid():
            case = intake.submit(draft=draft, by=request.user, facts=form.facts(), vitals=form.vitals())
            return redirect("case_detail", case.pk)
    except Refused as refusal:
        form.is_valid()
        form.add_error(None, str(refusal))
    return _page(request, form, draft, status=422)


def _page(
    request: SignedIn, form: IntakeForm, draft: IntakeDraft | None, *, status: int = 200, drafts: Any = ()
) -> HttpResponse:
    version = served().version
    site = request.user.site
    patients = bool(version and version.may_see_patients and site and site.accepts_patient_cases)
    note = draft.fields.get("note", "") if draft else ""
    context = {"form": form, "patients_accepted": patients, "drafts": drafts, "note": note, **_findings(draft)}
    return render(request, "clinic/intake.html", context, status=status)


def _findings(draft: IntakeDraft | None) -> dict[str, Any]:
    entries = draft.proposals if draft else []
    settled = [entry for entry in entries if entry["decision"] == intake.CONFIRMED]
    return {
        "draft": draft,
        "waiting": [entry for entry in entries if entry["decision"] == intake.PENDING],
        "dismissed": [entry for entry in entries if entry["decision"] == intake.DISMISSED],
        "by_state": [
            (label, [entry for entry in settled if entry["kind"] == "finding" and entry["state"] == state])
            for state, label in FindingState.choices
        ],
        "measured": [entry for entry in settled if entry["kind"] == "measurement"],
        "states": FindingState.choices,
    }


def _initial(draft: IntakeDraft) -> dict[str, Any]:
    return {name: value for name, value in draft.fields.items() if value not in ("", None)}


def _typed(request: HttpRequest) -> dict[str, str]:
    """The form's fields as typed, and the note; nothing else of a request is kept."""
    names = [*IntakeForm.base_fields, "note"]
    typed = {name: request.POST[name].replace("\0", "") for name in names if name in request.POST}
    return {name: text[: intake.NOTE_CHARACTERS] for name, text in typed.items()}


def _visible(request: SignedIn, draft_id: UUID | str) -> IntakeDraft:
    try:
        draft = IntakeDraft.objects.visible_to(request.user).filter(pk=UUID(str(draft_id))).first()
    except ValueError:
        draft = None
    if draft is None:
        raise Http404("There is no such draft: it became a case, was discarded, or is somebody else’s.")
    return draft
