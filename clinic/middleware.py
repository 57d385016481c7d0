"""Where a second factor is demanded, nothing opens before it is set up."""

from __future__ import annotations

from collections.abc import Callable

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from clinic.models import User
from clinic.services import people

ALWAYS_OPEN = ("/accounts/", "/static/", "/healthz")


class SecondFactorMiddleware:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.path.startswith(ALWAYS_OPEN) or not isinstance(request.user, User):
            return self.get_response(request)
        if people.lacks_second_factor(request.user):
            messages.warning(request, "Your site asks for a second factor. Set it up to go on.")
            return redirect("mfa_activate_totp")
        return self.get_response(request)
