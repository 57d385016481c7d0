"""What the sign-in libraries report: written to the audit log, and sockets end with their session."""

from __future__ import annotations

from typing import Any

from allauth.account import signals as account
from allauth.mfa import signals as second_factor
from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.db.models import Q
from django.dispatch import receiver
from django.http import HttpRequest

from clinic.models import User
from clinic.services import audit
from clinic.services.sessions import end_sockets


@receiver(user_logged_in)
def signed_in(request: HttpRequest, user: User, **_: Any) -> None:
    audit.record(by=user, action="session.started", noun="user", target=user.pk)


@receiver(user_logged_out)
def signed_out(request: HttpRequest, user: User | None, **_: Any) -> None:
    if user is not None:
        audit.record(by=user, action="session.ended", noun="user", target=user.pk)
        end_sockets(user.pk, session_key=request.session.session_key)


@receiver(user_login_failed)
def sign_in_failed(credentials: dict[str, Any], **_: Any) -> None:
    """Only who was meant, when that is a person here: people type passwords into the wrong field."""
    name = str(credentials.get("username") or credentials.get("email") or "")
    person = User.objects.filter(Q(username=name) | Q(email__iexact=name)).first() if name else None
    audit.record(
        by=None,
        action="session.refused",
        noun="user",
        target=person.pk if person else "unknown",
        site=person.site if person else None,
    )


@receiver([account.password_changed, account.password_set, account.password_reset])
def password_changed(user: User, **_: Any) -> None:
    """Django ends the other sessions by itself; their sockets are ended here."""
    audit.record(by=user, action="person.password_changed", noun="user", target=user.pk)
    end_sockets(user.pk)


@receiver([second_factor.authenticator_added, second_factor.authenticator_removed, second_factor.authenticator_reset])
def second_factor_changed(user: User, authenticator: Any, **_: Any) -> None:
    data = {"type": str(authenticator.type)}
    audit.record(by=user, action="person.second_factor_changed", noun="user", target=user.pk, data=data)
