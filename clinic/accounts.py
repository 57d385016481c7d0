"""Who may sign in: invited people only, never a published demo login in production."""

from __future__ import annotations

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.auth_backends import AuthenticationBackend
from django.conf import settings
from django.http import HttpRequest

from clinic.models import User


class InvitationOnlyAdapter(DefaultAccountAdapter):
    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False


class ClinicBackend(AuthenticationBackend):
    """By user name or e-mail address. Asked at every request, so it also ends what is open already."""

    def user_can_authenticate(self, user: Any) -> bool:
        return super().user_can_authenticate(user) and not (user.is_demo and settings.PRODUCTION)

    def get_user(self, user_id: Any) -> User | None:
        """With the site, which every page asks for: its time zone, its second factor, its name."""
        found = User.objects.select_related("site").filter(pk=user_id).first()
        return found if found and self.user_can_authenticate(found) else None


def lockout_name(request: HttpRequest, credentials: dict[str, Any] | None) -> str:
    """The one name under which failed attempts count, whether user name or e-mail address was typed."""
    given = credentials or {}
    typed = given.get("username") or given.get("email") or request.POST.get("login") or ""
    found = User.objects.filter(email__iexact=typed).values_list("username", flat=True).first()
    return str(found or typed)[:150]
