"""Whether this deployment can hold a consultation: database, Valkey, and one token from the agent, for anybody."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import redis
from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.db import Error, connection
from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from clinic.services import endpoints, versions
from clinic.services.errors import Refused

CACHE_SECONDS = 5.0
TIMEOUT = 2.0
# One probe at a time whoever asks: a public page must not be a way to load the model server.
_lock = threading.Lock()
_report: tuple[float, dict[str, str]] = (0.0, {})


@login_not_required
@never_cache
@require_safe
def healthz(request: HttpRequest) -> JsonResponse:
    parts = report()
    ok = all(state == "ok" for state in parts.values())
    return JsonResponse({"ok": ok, **parts}, status=200 if ok else 503)


def report() -> dict[str, str]:
    """Each part's name with "ok" or what failed, at most a few seconds old."""
    global _report
    with _lock:
        made, parts = _report
        if not parts or time.monotonic() - made > CACHE_SECONDS:
            parts = {name: check() for name, check in CHECKS.items()}
            _report = (time.monotonic(), parts)
    return parts


def database() -> str:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except Error:
        return "not reachable"
    return "ok"


def valkey() -> str:
    client = redis.Redis.from_url(settings.VALKEY_URL, socket_timeout=TIMEOUT, socket_connect_timeout=TIMEOUT)
    try:
        client.ping()
    except (redis.RedisError, OSError):
        return "not reachable"
    finally:
        client.close()
    return "ok"


def policy() -> str:
    try:
        _, endpoint = versions.serving_agent()
        result = endpoints.probe(endpoint=endpoint)
    except Refused:
        return "none registered"
    except Error:
        return "unknown: the database is not reachable"
    return "ok" if result.ok else result.code


CHECKS: dict[str, Callable[[], str]] = {"database": database, "valkey": valkey, "policy": policy}
