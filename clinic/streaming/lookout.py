"""What a web process looks at every second: turns nobody produces, sockets that missed a wake-up, sessions ended."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from typing import TYPE_CHECKING
from uuid import UUID

from django.contrib.sessions.models import Session
from django.db import Error, connection
from django.utils import timezone

from clinic.models import User
from clinic.streaming.hub import SIGNED_OUT

if TYPE_CHECKING:
    from clinic.streaming.host import Host

log = logging.getLogger(__name__)
PERIOD = 1.0
EVERY_SESSION_CHECK = 10
NEWEST = """
SELECT c, (SELECT seq FROM clinic_event WHERE consultation_id = c ORDER BY seq DESC LIMIT 1)
FROM unnest(%s::uuid[]) AS c
"""


async def run(host: Host, look_now: asyncio.Event) -> None:
    """Until cancelled."""
    tick = 0
    while True:
        try:
            await host.recover()
            await _catch_up(host)
            if tick % EVERY_SESSION_CHECK == 0:
                await _end_sessions(host)
        except Error as error:
            log.warning("the look-out could not read the database: %s", str(error).strip().partition("\n")[0])
        tick += 1
        await _rest(look_now)


async def _rest(look_now: asyncio.Event) -> None:
    try:
        async with asyncio.timeout(PERIOD):
            await look_now.wait()
    except TimeoutError:
        return
    finally:
        look_now.clear()


async def _catch_up(host: Host) -> None:
    """Wake-ups may be lost between processes; the database is asked for those whose producer is elsewhere."""
    elsewhere = {consultation for consultation, _ in host.hub.feeds() if not host.hub.is_streaming(consultation)}
    if elsewhere:
        for consultation, seq in await host.threads.run(newest, elsewhere):
            host.hub.notice(consultation, seq or 0)


def newest(consultations: Iterable[UUID]) -> list[tuple[UUID, int | None]]:
    with connection.cursor() as cursor:
        cursor.execute(NEWEST, [list(consultations)])
        return cursor.fetchall()


async def _end_sessions(host: Host) -> None:
    """Close the sockets of people who signed out, were disabled or whose session has run out."""
    feeds = [feed for _, feed in host.hub.feeds()]
    if feeds:
        pairs = {(feed.session, feed.user_id) for feed in feeds}
        sessions, users = await host.threads.run(valid, pairs)
        for feed in feeds:
            if feed.session not in sessions or feed.user_id not in users:
                feed.close(SIGNED_OUT)


def valid(pairs: set[tuple[str, int]]) -> tuple[set[str], set[int]]:
    keys, users = {key for key, _ in pairs}, {user for _, user in pairs}
    live = Session.objects.filter(session_key__in=keys, expire_date__gt=timezone.now())
    active = User.objects.filter(pk__in=users, is_active=True)
    return set(live.values_list("session_key", flat=True)), set(active.values_list("pk", flat=True))
