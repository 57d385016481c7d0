"""What a person prefers on this device: theme, time zone, whole answers, shortcuts. A cookie, checked when read."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Self
from urllib.parse import parse_qs, urlencode
from zoneinfo import available_timezones

from django.conf import settings
from django.http import HttpRequest, HttpResponse

COOKIE = "preferences"
YEAR = 365 * 24 * 3600
THEMES = ("auto", "light", "dark")


@dataclass(frozen=True, slots=True)
class Preferences:
    theme: str = "auto"
    time_zone: str = ""
    """Empty: the site's."""
    whole: bool = False
    """Show an answer only when it is complete."""
    keys: bool = True
    """Single-key shortcuts."""

    @classmethod
    def of(cls, request: HttpRequest) -> Self:
        """What the cookie says, as far as it makes sense."""
        found = {key: values[-1] for key, values in parse_qs(request.COOKIES.get(COOKIE, "")[:400]).items()}
        zone = found.get("time_zone", "")
        return cls(
            theme=found["theme"] if found.get("theme") in THEMES else "auto",
            time_zone=zone if zone in available_timezones() else "",
            whole=found.get("whole") == "1",
            keys=found.get("keys", "1") == "1",
        )

    def keep(self, response: HttpResponse) -> None:
        values = {key: int(value) if isinstance(value, bool) else value for key, value in asdict(self).items()}
        response.set_cookie(
            COOKIE,
            urlencode(values),
            max_age=YEAR,
            httponly=True,
            secure=settings.SESSION_COOKIE_SECURE,
            samesite="Lax",
        )
