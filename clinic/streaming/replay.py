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


def events_after(consultation: UUID, seq: int) -> list[Frame]:
    """The next page of events, oldest first; empty at the end."""
    with connection.cursor() as cursor:
        cursor.execute(EVENTS, [consultation, seq, PAGE])
        return [(number, frame.encode()) for number, frame in cursor.fetchall()]
