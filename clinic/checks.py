"""What `manage check` adds to Django's own checks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register

from clinic.models import User


@register(Tags.security, deploy=True)
def loud_about_missing_hosts(**_: Any) -> Sequence[CheckMessage]:
    if settings.PRODUCTION and "*" in settings.ALLOWED_HOSTS:
        return [Error("ALLOWED_HOSTS accepts every name; list the names of this site.", id="rounds.E001")]
    return []


@register(Tags.database)
def demo_logins_in_production(databases: Sequence[str] | None = None, **_: Any) -> Sequence[CheckMessage]:
    """Their sign-in is refused in any case; that they are there at all means a demo database was taken along."""
    if not (settings.PRODUCTION and databases):
        return []
    count = User.objects.filter(is_demo=True, is_active=True).count()
    hint = "Disable them on the people page, or start from an empty database."
    return [Warning(f"{count} demo logins exist here.", hint=hint, id="rounds.W001")] if count else []
