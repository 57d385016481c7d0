"""What every template may show: where we are, who serves."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest


def product(request: HttpRequest) -> dict[str, Any]:
    return {"demo_logins": settings.DEMO_LOGINS, "production": settings.PRODUCTION}
