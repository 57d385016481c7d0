"""Times in the zone of the person who reads them: chosen on this device, else the site's."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from clinic.preferences import Preferences


class TimeZoneMiddleware:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if not request.user.is_authenticated:
            return self.get_response(request)
        site = request.user.site
        with timezone.override(Preferences.of(request).time_zone or (site.time_zone if site else "UTC")):
            return self.get_response(request)
