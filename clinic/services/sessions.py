"""Ends what a person has open: sessions in the database, and sockets by a message to the group `user.<id>`."""

from __future__ import annotations

import hashlib

from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer
from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.models import Session
from django.db import transaction
from django.utils import timezone

from clinic.models import User


def group_of(user_id: object) -> str:
    """The group that every socket of this person joins; it hears `session.ended`."""
    return f"user.{user_id}"


def mark_of(session_key: str | None) -> str:
    """What a message says of a session instead of its key, which opens doors."""
    return hashlib.sha256(session_key.encode()).hexdigest()[:16] if session_key else ""


def end_sessions(person: User) -> int:
    """Sign the person out everywhere, after the commit; how many sessions there were."""
    mine = [
        session.pk
        for session in Session.objects.filter(expire_date__gt=timezone.now()).iterator()
        if session.get_decoded().get(SESSION_KEY) == str(person.pk)
    ]
    Session.objects.filter(pk__in=mine).delete()
    end_sockets(person.pk)
    return len(mine)


def end_sockets(user_id: object, *, session_key: str | None = None) -> None:
    """Close the sockets of one session, or without a key all of the person's, when this is committed."""
    message = {"type": "session.ended", "user": user_id, "session": mark_of(session_key)}
    # Robust: the database already refuses the person; a silent queue must not undo or hide that.
    transaction.on_commit(lambda: _tell(group_of(user_id), message), robust=True)


def _tell(group: str, message: dict[str, object]) -> None:
    layer = get_channel_layer()
    if layer is not None:
        async_to_sync(layer.group_send)(group, message)
