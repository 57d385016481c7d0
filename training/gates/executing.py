"""Plays a gate to its verdict: claimed once, resumed from its folder, decided in one transaction with its checks."""

from __future__ import annotations

import asyncio
import fcntl
import logging
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from clinic.models import IllegalTransition, StaleStatus
from clinic.services import audit
from clinic.services.errors import Refused
from training import judges, outbox, places
from training.evaluation.cases import kept_references
from training.gates import checks, physicians, playing, profiles, references, replay, sealed
from training.gates.bringing_up import Brought, bring_both_up
from training.gates.checks import Result
from training.gates.playing import Material, Plan
from training.gates.profiles import Profile
from training.gates.seats import Seats, ServedSeats, Server
from training.gates.sentences import SENTENCES
from training.gates.starting import TASK
from training.models import Gate, GateCheck, GateStatus

log = logging.getLogger(__name__)
HEARD_EVERY = 0.5
"""Seconds between two looks at how far the players are."""
SILENT = timedelta(seconds=90)
"""Without a sign of life for so long, a gate's worker is gone."""
CLAIMABLE = timedelta(seconds=45)
"""A running gate may be taken over after so long."""
LOST = timedelta(minutes=10)
"""A queued gate is sent again after so long: the worker may be busy, and a message too many does nothing."""
Opens = Callable[[Server, Server], Seats]
"""ServedSeats, or a double."""
Brings = Callable[[Gate, Callable[[str], None]], Brought]


def execute(gate_id: int, *, opens: Opens | None = None, brings: Brings | None = None) -> str:
    """Play and decide; the status it ended with. A second delivery of the same gate does nothing."""
    gate = Gate.objects.select_related("candidate", "baseline", "site", "by").get(pk=gate_id)
    with _alone(places.gates() / gate.folder) as mine:
        if mine and _claim(gate):
            _execute(gate, opens or ServedSeats, brings or bring_both_up)
    return str(gate.status)


def _execute(gate: Gate, opens: Opens, brings: Brings) -> None:
    try:
        profile = _profile(gate)
        brought = brings(gate, lambda doing: _tell(gate, doing=doing))
        material = _play(gate, profile, brought, opens)
        _enough(profile, material)
        brought.again()
        results = checks.decide(profile, material, identity=brought.identity, seed=gate.seed)
        _decide(gate, material, results)
    except Refused as refused:
        _break_off(gate, str(refused))
    except BaseException as error:
        _break_off(gate, f"{type(error).__name__}: {error}")
        raise


def recover() -> int:
    """Send those again whose worker went silent, or whose message was lost with the broker; how many."""
    now = timezone.now()
    gone = Q(status=GateStatus.RUNNING, seen_at__lt=now - SILENT)
    lost = Q(status=GateStatus.QUEUED, seen_at__lt=now - LOST)
    return sum(_send_again(gate) for gate in Gate.objects.filter(gone | lost))


@transaction.atomic
def _send_again(gate: Gate) -> bool:
    """Compare and set, so that two looks send one message; a running one may be claimed at once all the same."""
    seen = timezone.now() if gate.status == GateStatus.QUEUED else timezone.now() - CLAIMABLE
    same = Gate.objects.filter(pk=gate.pk, status=gate.status, seen_at=gate.seen_at)
    if not same.update(seen_at=seen):
        return False
    outbox.put(task=TASK, arguments=[gate.pk])
    return True


@contextmanager
def _alone(folder: Path) -> Iterator[bool]:
    """Whether no other process of this machine plays this gate; the lock goes with the process, however that ends."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True


def _claim(gate: Gate) -> bool:
    """Queued, or running under a worker that went silent."""
    if gate.status == GateStatus.RUNNING and gate.seen_at and gate.seen_at > timezone.now() - CLAIMABLE:
        return False
    changes: dict[str, Any] = {"seen_at": timezone.now(), "error": "", "doing": "Starting"}
    try:
        gate.move_to(GateStatus.RUNNING, by=gate.by, reason="claimed by a worker", **changes)
    except (IllegalTransition, StaleStatus):
        return False
    return True


def _profile(gate: Gate) -> Profile:
    profile = profiles.load(gate.profile)
    if profile.digest != gate.profile_digest:
        raise Refused(SENTENCES["profile_changed"].format(profile=gate.profile))
    return profile


def _play(gate: Gate, profile: Profile, brought: Brought, opens: Opens) -> Material:
    """The event loop has a thread of its own, since rows may not be written where one runs."""
    folder = places.gates() / gate.folder
    judge = judges.of_gates(seed=gate.seed)
    wanted = profile.check("shadow")
    replays = replay.recent(site=gate.site, version=gate.candidate, count=wanted.turns) if wanted else []
    criteria = physicians.criteria_of(gate.candidate) if profile.check("physicians") else []
    plan = Plan(profile, gate.seed, folder, judge.speaks if judge else None, replays, criteria)
    heard: SimpleQueue[tuple[int, str]] = SimpleQueue()

    async def play() -> Material:
        seats: Seats = opens(brought.candidate, brought.baseline)
        try:
            return await playing.play_gate(plan, seats, lambda done, doing: heard.put((done, doing)))
        finally:
            await seats.close()
            await judges.close(plan.judge)

    # Kept before anybody plays: a gate that breaks off need not plan them again.
    with kept_references(places.gates() / "references.json"):
        references.plan(sealed.cases(profile.cases, seed=gate.seed), lambda doing: _tell(gate, doing=doing))
    with ThreadPoolExecutor(1) as thread:
        played = thread.submit(lambda: asyncio.run(play()))
        _listen(gate, plan, played, heard)
    return played.result()


def _listen(gate: Gate, plan: Plan, played: Future[Material], heard: SimpleQueue[tuple[int, str]]) -> None:
    while not (played.done() and heard.empty()):
        try:
            news = heard.get(timeout=HEARD_EVERY)
        except Empty:
            _tell(gate)
            continue
        while not heard.empty():
            news = heard.get()
        done, doing = news
        _tell(gate, done=min(done, plan.total), total=plan.total, doing=doing[:200])


def _tell(gate: Gate, **changes: Any) -> None:
    Gate.objects.filter(pk=gate.pk).update(seen_at=timezone.now(), **changes)


def _enough(profile: Profile, material: Material) -> None:
    n = checks.pairs(material)
    if n < profile.at_least:
        told = {"n": n, "total": len(material.cases), "needed": profile.at_least}
        why = (material.errors or ["without an error"])[0]
        raise Refused(SENTENCES["few_pairs"].format(why=why[:300], **told))


@transaction.atomic
def _decide(gate: Gate, material: Material, results: list[Result]) -> None:
    """The checks and the verdict stand together or not at all."""
    gate.checks.all().delete()
    rows = [GateCheck(gate=gate, position=n, **_plain(result.fields())) for n, result in enumerate(results)]
    GateCheck.objects.bulk_create(rows)
    status = checks.verdict(results)
    n = checks.pairs(material)
    changes: dict[str, Any] = {"n": n, "doing": "", "finished_at": timezone.now(), "summary": playing.summary(material)}
    gate.move_to(status, by=gate.by, **changes)
    outcomes = {result.name: str(result.outcome) for result in results}
    facts = {"candidate": gate.candidate.version, "profile": gate.profile, "n": n, "checks": outcomes}
    audit.record(by=gate.by, action=f"gate.{status}", noun="gate", target=gate.pk, data=facts, site=gate.site)


def _plain(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: dict(value) if isinstance(value, Mapping) else value for name, value in fields.items()}


def _break_off(gate: Gate, reason: str) -> None:
    """No verdict: what was played stays, and it can go on."""
    with transaction.atomic():
        changes: dict[str, Any] = {"error": reason, "doing": "", "finished_at": timezone.now()}
        try:
            gate.move_to(GateStatus.BROKE, by=gate.by, reason=reason, **changes)
        except StaleStatus:
            log.warning("gate %s was taken over meanwhile", gate.pk)
            return
        audit.record(
            by=gate.by, action="gate.broke", noun="gate", target=gate.pk, data={"reason": reason}, site=gate.site
        )
