"""The seam between services and whoever produces agent turns in this process.

A web process registers its host here. Where there is none (a command, a worker), a task asks one to look. Nothing
depends on either: a turn is a row, and an unleased one is found by every process that looks for expired leases.
"""

from __future__ import annotations

import logging
from typing import Protocol
from uuid import UUID

from celery import current_app
from django.conf import settings
from kombu.exceptions import OperationalError

from clinic.models import Turn

log = logging.getLogger(__name__)
RECOVER = "clinic.tasks.recover_turns"
DRAFT = "clinic.tasks.draft_turn"


class TurnHost(Protocol):
    """Called from any thread."""

    owner: UUID

    def produce(self, turn: Turn) -> None: ...

    def stop(self, turn_id: int) -> None: ...

    def announce(self, consultation: UUID, seq: int) -> None: ...


_hosts: list[TurnHost] = []


def register(host: TurnHost) -> None:
    _hosts.append(host)


def unregister(host: TurnHost) -> None:
    _hosts.remove(host)


def here() -> TurnHost | None:
    """The host of this process, if it is one that produces turns."""
    return _hosts[-1] if _hosts else None


def produce(turn: Turn) -> None:
    """After the commit that opened it."""
    host = here()
    if host:
        host.produce(turn)
        return
    try:
        current_app.send_task(RECOVER, ignore_result=True, retry=False)
    except OperationalError:
        log.warning("no broker: turn %s waits for the next look at expired leases", turn.pk)


def stop(turn_id: int) -> None:
    """A hint only: the request itself is on the row, and every producer reads it there."""
    host = here()
    if host:
        host.stop(turn_id)


def announce(consultation: UUID, seq: int) -> None:
    """Wake the sockets of a consultation that has new events up to `seq`."""
    host = here()
    if host:
        host.announce(consultation, seq)


def lease_seconds() -> float:
    return settings.AGENT_LEASE_SECONDS


def draft(turn_id: int) -> None:
    """After the commit that asked for further answers; without a broker the request stays, and can be repeated."""
    try:
        current_app.send_task(DRAFT, args=[turn_id], ignore_result=True, retry=False)
    except OperationalError:
        log.warning("no broker: the drafts of turn %s were not begun", turn_id)
