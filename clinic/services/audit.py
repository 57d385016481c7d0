"""Writes and verifies the audit log: append-only rows, gap-free, each sealed with the hash of the one before."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from django.db import connection, transaction
from django.utils import timezone

from clinic.models import AuditEntry, AuditHead, Site, User

GENESIS = "0" * 64
LOCK = 0x526F756E6473  # "Rounds": one writer at a time, across processes, until the transaction ends


def record(
    *,
    by: User | None,
    action: str,
    noun: str,
    target: object,
    data: dict[str, Any] | None = None,
    site: Site | None = None,
) -> AuditEntry:
    """Append one entry inside the caller's transaction: it stands exactly when what it tells of stands."""
    with transaction.atomic():
        _lock()
        last = AuditEntry.objects.order_by("-seq").values_list("seq", "hash").first()
        seq, previous = last or (0, GENESIS)
        entry = AuditEntry(
            seq=seq + 1,
            at=timezone.now(),
            actor=by,
            actor_name=by.username if by else "system",
            site=site or (by.site if by else None),
            action=action,
            noun=noun,
            target=str(target),
            data=plain(data or {}),
            previous_hash=previous,
        )
        entry.hash = digest(entry)
        entry.save(force_insert=True)
        AuditHead.objects.update_or_create(id=1, defaults={"seq": entry.seq, "hash": entry.hash})
    return entry


def plain(data: dict[str, Any]) -> dict[str, Any]:
    """As the database will give it back, so that the hash can be computed again from the row."""
    found: dict[str, Any] = json.loads(json.dumps(data, cls=DjangoJSONEncoder), parse_float=_number)
    return found


def _number(written: str) -> float | int:
    """A jsonb column forgets that 1e20 was written as a float: whole numbers are hashed as integers."""
    value = float(written)
    return int(value) if value.is_integer() else value


def digest(entry: AuditEntry) -> str:
    """sha256 over the canonical JSON of everything in the row but its own hash."""
    content = {
        "seq": entry.seq,
        "at": entry.at.astimezone(UTC).isoformat(timespec="microseconds"),
        "actor": entry.actor_id,
        "actor_name": entry.actor_name,
        "site": entry.site_id,
        "action": entry.action,
        "noun": entry.noun,
        "target": entry.target,
        "data": entry.data,
        "previous_hash": entry.previous_hash,
    }
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


def verify(*, known_head: str | None = None) -> tuple[bool, int, int | None]:
    """(ok, rows, first_bad): `first_bad` is the first sequence number that is missing, moved or altered.

    Somebody who rewrites the whole chain and its head is found only by a `known_head` hash that was kept
    elsewhere, as every backup's manifest does: it must occur in the log.
    """
    rows, previous = 0, GENESIS
    noted_seq, noted_hash = _noted_head()
    wanted = {noted_hash, known_head or GENESIS} - {GENESIS}
    for entry in AuditEntry.objects.order_by("seq").iterator(chunk_size=1000):
        intact = entry.seq == rows + 1 and entry.previous_hash == previous and entry.hash == digest(entry)
        if not intact:
            return False, AuditEntry.objects.count(), min(entry.seq, rows + 1)
        rows, previous = rows + 1, entry.hash
        wanted.discard(previous)
    # Entries that others appended meanwhile are in the later head, never beyond it.
    whole = not wanted and noted_seq <= rows <= _noted_head()[0]
    return whole, rows, None if whole else rows + 1


def _noted_head() -> tuple[int, str]:
    return AuditHead.objects.values_list("seq", "hash").first() or (0, GENESIS)


def _lock() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])


def head() -> str:
    """The newest entry's hash; keep it elsewhere to prove later that the log still contains it."""
    return _noted_head()[1]


def entries_of(noun: str, target: object) -> list[dict[str, Any]]:
    """The entries about one thing, as an export shows them."""
    found = AuditEntry.objects.filter(noun=noun, target=str(target)).values("seq", "at", "actor_name", "action", "hash")
    return [{**row, "at": _iso(row["at"])} for row in found]


def _iso(at: datetime) -> str:
    return at.astimezone(UTC).isoformat()
