"""Who may open which page; what they may see on it is the querysets' business."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseBase

from clinic.models import User

View = Callable[..., HttpResponseBase]


class SignedIn(HttpRequest):
    """A request after LoginRequiredMiddleware: its user is a person, never anonymous."""

    user: User
    htmx: Any


def admins_only(view: View) -> View:
    @wraps(view)
    def guarded(request: SignedIn, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if not request.user.is_site_admin:
            raise PermissionDenied("Only an administrator of your site opens this page.")
        return view(request, *args, **kwargs)

    return guarded


__all__ = ["HttpResponse", "SignedIn", "admins_only"]
