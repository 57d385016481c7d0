"""Sessions that last while they are used; and where a second factor is demanded, nothing opens before it is set up."""

from __future__ import annotations

import time
from collections.abc import Callable

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import SESSION_KEY
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from clinic.models import User
from clinic.services import people

ALWAYS_OPEN = ("/accounts/", "/static/", "/healthz")


RENEWED = "renewed"


class SlidingSessionMiddleware:
    """A session in use is written once in a while, not with every page: it ends a tenth earlier at most."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        session = request.session
        if not session.is_empty() and SESSION_KEY in session and self._is_due(session.get(RENEWED, 0)):
            session[RENEWED] = int(time.time())
        return self.get_response(request)

    def _is_due(self, renewed: int) -> bool:
        return time.time() - renewed > settings.SESSION_COOKIE_AGE / 10


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
