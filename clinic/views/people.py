"""The people of a site: invite, roles, passwords, second factors, disable. Administrators only, but for joining."""

from __future__ import annotations

from collections.abc import Callable

from allauth.mfa.models import Authenticator
from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.db.models import Exists, OuterRef, Q
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST

from clinic.forms import InviteForm, JoinForm
from clinic.models import Role, User
from clinic.services import people as service
from clinic.services.errors import Refused
from clinic.views.access import SignedIn, admins_only
from clinic.views.paging import page_of


@admins_only
def people(request: SignedIn) -> HttpResponse:
    return _people(request, InviteForm())


def _people(request: SignedIn, form: InviteForm, link: str = "", whom: str = "", status: int = 200) -> HttpResponse:
    words = request.GET.get("q", "").strip()[:200]
    factor = Authenticator.objects.filter(user=OuterRef("pk"), type=Authenticator.Type.TOTP)
    rows = service.visible_to(request.user).annotate(second_factor=Exists(factor))
    for word in words.split():
        found = Q(username__icontains=word) | Q(first_name__icontains=word) | Q(last_name__icontains=word)
        rows = rows.filter(found | Q(email__icontains=word))
    context = {
        "page": page_of(rows, request),
        "q": words,
        "form": form,
        "roles": Role.choices,
        "invitations": service.open_invitations(site=request.user.site)[:50],
        "link": link,
        "whom": whom,
    }
    return render(request, "clinic/people.html", context, status=status)


@admins_only
@require_POST
def people_invite(request: SignedIn) -> HttpResponse:
    form = InviteForm(request.POST)
    if form.is_valid():
        try:
            invited = service.invite(by=request.user, **form.cleaned_data)
        except Refused as refusal:
            form.add_error(None, str(refusal))
        else:
            link = request.build_absolute_uri(reverse("join", args=[invited.token]))
            # Shown in this answer and never again: only the token's hash is kept.
            return _people(request, InviteForm(), link, invited.invitation.email)
    return _people(request, form, status=422)


@admins_only
@require_POST
def people_withdraw(request: SignedIn, invitation_id: int) -> HttpResponse:
    found = service.open_invitations(site=request.user.site).filter(pk=invitation_id).first()
    if found is None:
        raise Http404("There is no such open invitation.")
    service.withdraw(invitation=found, by=request.user)
    messages.success(request, f"The invitation of {found.email} is withdrawn.")
    return redirect("people")


def _change(request: SignedIn, person_id: int, verb: Callable[[User], None], done: str) -> HttpResponse:
    person = service.visible_to(request.user).filter(pk=person_id).first()
    if person is None:
        raise Http404("There is no such person at your site.")
    try:
        verb(person)
    except Refused as refusal:
        messages.error(request, str(refusal))
    else:
        messages.success(request, done.format(person.display_name))
    return redirect("people")


@admins_only
@require_POST
def people_role(request: SignedIn, person_id: int) -> HttpResponse:
    role = request.POST.get("role", "")
    word = dict(Role.choices).get(Role(role), role) if role in Role.values else role
    return _change(
        request,
        person_id,
        lambda person: service.change_role(person=person, role=role, by=request.user),
        "{0} is now: " + str(word).lower() + ".",
    )


@admins_only
@require_POST
def people_disable(request: SignedIn, person_id: int) -> HttpResponse:
    return _change(
        request,
        person_id,
        lambda person: service.disable(person=person, by=request.user),
        "{0} is disabled and signed out everywhere.",
    )


@admins_only
@require_POST
def people_enable(request: SignedIn, person_id: int) -> HttpResponse:
    return _change(
        request, person_id, lambda person: service.enable(person=person, by=request.user), "{0} can sign in again."
    )


@admins_only
@require_POST
def people_second_factor(request: SignedIn, person_id: int) -> HttpResponse:
    return _change(
        request,
        person_id,
        lambda person: service.reset_second_factor(person=person, by=request.user),
        "{0} has no second factor now and is signed out everywhere.",
    )


@admins_only
@require_POST
def people_password(request: SignedIn, person_id: int) -> HttpResponse:
    person = service.visible_to(request.user).filter(pk=person_id).first()
    if person is None:
        raise Http404("There is no such person at your site.")
    try:
        path = service.reset_password(person=person, by=request.user)
    except Refused as refusal:
        messages.error(request, str(refusal))
        return redirect("people")
    return _people(request, InviteForm(), request.build_absolute_uri(path), person.display_name)


@admins_only
@require_POST
def people_require_second_factor(request: SignedIn) -> HttpResponse:
    if request.user.site is None:
        raise Http404("You belong to no site.")
    service.require_second_factor(site=request.user.site, required=request.POST.get("required") == "1", by=request.user)
    messages.success(request, "Saved.")
    return redirect("people")


@login_not_required
def join(request: SignedIn, token: str) -> HttpResponse:
    """The door of an invitation's link."""
    try:
        invitation = service.pending(token=token)
    except Refused as refusal:
        return render(request, "clinic/join.html", {"gone": str(refusal)}, status=410)
    form = JoinForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        facts = {name: value for name, value in form.cleaned_data.items() if name != "again"}
        try:
            service.accept(token=token, **facts)
        except Refused as refusal:
            form.add_error(None, str(refusal))
        else:
            messages.success(request, "Your account is ready. Sign in to begin.")
            return redirect("account_login")
    status = 422 if form.is_bound else 200
    return render(request, "clinic/join.html", {"form": form, "invitation": invitation}, status=status)
