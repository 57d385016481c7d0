"""Reads stored events as the frames that sockets send."""

from __future__ import annotations

from uuid import UUID

from django.db import connection

from clinic.streaming.hub import Frame

PAGE = 500
# The row is turned into its frame by the database: no JSON is parsed only to be written again.
EVENTS = """
SELECT seq, json_build_object('type', type, 'turn', turn, 'attempt', attempt, 'seq', seq, 'data', data)::text
FROM clinic_event WHERE consultation_id = %s AND seq > %s ORDER BY seq LIMIT %s
"""

RESTART = """
SELECT seq FROM clinic_event WHERE consultation_id = %s AND type = 'state' AND attempt > 1
AND turn = (SELECT turn FROM clinic_event WHERE consultation_id = %s ORDER BY seq DESC LIMIT 1)
ORDER BY seq DESC LIMIT 1
"""


def events_after(consultation: UUID, seq: int) -> list[Frame]:
    """The next page of events, oldest first; empty at the end."""
    with connection.cursor() as cursor:
        cursor.execute(EVENTS, [consultation, seq, PAGE])
        return [(number, frame.encode(), True) for number, frame in cursor.fetchall()]


def first_to_send(consultation: UUID, since: int) -> int:
    """After which event to begin for a client that saw event `since`.

    It may have seen pieces under numbers that were never stored, because their process died; the successor has
    used these numbers again, so its attempt is sent from the beginning.
    """
    with connection.cursor() as cursor:
        cursor.execute(RESTART, [consultation, consultation])
        row = cursor.fetchone()
    return min(since, row[0] - 1) if row else since
