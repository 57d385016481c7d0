"""Drafts of rubrics: asked of a model in the background, or made by rules at once. Nothing until a physician approves.

The state of a model's draft is on its version (`source`): waiting, done or failed with the sentence to show.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from celery import current_app
from django.conf import settings
from django.db import transaction
from django.utils import timezone
from kombu.exceptions import OperationalError

from agents.client import PolicyClient
from agents.rubric_drafts import (
    DraftError,
    draft_by_model,
    draft_for_condition,
    draft_for_group,
    prompt_digest,
)
from agents.rubric_formats import CriterionRow
from agents.world.access import CredentialedText, may_send
from clinic.models import Case, RubricCriterion, RubricOrigin, RubricScope, RubricStatus, RubricVersion, User
from clinic.naming import condition_of
from clinic.services import audit, rubrics
from clinic.services.errors import Refused
from clinic.services.records import case_record
from clinic.services.rubric_criteria import cleaned, free_key

log = logging.getLogger(__name__)
TASK = "clinic.tasks.draft_rubric"
PLAIN_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,39}")
STUCK = timedelta(minutes=15)
WAITING, DONE, FAILED = "waiting", "done", "failed"
SENTENCES = {
    "not_configured": (
        "No model is set up that could draft a rubric: JUDGE_URL is not set. Write it yourself, or start from the "
        "medical knowledge."
    ),
    "no_model": "JUDGE_URL is set without JUDGE_MODEL, so no draft can be asked for. Tell your administrator.",
    "elsewhere": (
        "This case is a real patient's or under a data use agreement, and the model runs elsewhere. Nothing was sent; "
        "the attempt is in the audit log."
    ),
    "unknown": "The medical knowledge has no entry for this case's diagnosis, so there is nothing to start from.",
    "no_case": "A model drafts a rubric from a case. Choose the case.",
    "gone": "The draft was being written by hand or put away meanwhile, so the model's answer was left aside.",
    "deleted": "The case was deleted, so nothing was sent to the model.",
    "stuck": "The model's draft never came. Ask again, or write the rubric yourself.",
}


def is_configured() -> bool:
    return bool(settings.JUDGE_URL and settings.JUDGE_MODEL)


@transaction.atomic
def by_rules(*, by: User, title: str, scope: str, case: Case | None = None, group: str = "") -> RubricVersion:
    """A draft from the knowledge: for a case whose diagnosis it has, or for a complaint."""
    rows = _rows_by_rules(scope, case, group)
    version = rubrics.create(by=by, title=title, scope=scope, case=case, group=group)
    RubricVersion.objects.filter(pk=version.pk).update(
        origin=RubricOrigin.GENERATED, source={"kind": "rules", "state": DONE}
    )
    fill(version=version, rows=rows)
    version.refresh_from_db()
    return version


@transaction.atomic
def by_model(*, by: User, title: str, case: Case | None) -> RubricVersion:
    """An empty draft that the model fills; said plainly where none is set up or nothing may be sent to it."""
    if case is None:
        raise Refused(SENTENCES["no_case"])
    if not settings.JUDGE_URL:
        raise Refused(SENTENCES["not_configured"])
    if not settings.JUDGE_MODEL:
        raise Refused(SENTENCES["no_model"])
    version = rubrics.create(by=by, title=title, scope=RubricScope.CASE, case=case)
    source = {"kind": "model", "model": settings.JUDGE_MODEL, "prompt": prompt_digest(), "state": WAITING}
    RubricVersion.objects.filter(pk=version.pk).update(origin=RubricOrigin.GENERATED, source=source)
    transaction.on_commit(lambda: _send(version))
    version.refresh_from_db()
    return version


@transaction.atomic
def ask_again(*, version: RubricVersion, by: User) -> None:
    """After a failure, or where nothing came for long."""
    version = rubrics.lock(version)
    if version.source.get("kind") != "model" or version.source.get("state") == DONE or not version.is_open:
        raise Refused(SENTENCES["gone"])
    if version.source["state"] == WAITING and not is_stuck(version):
        return
    rest = {name: value for name, value in version.source.items() if name != "error"}
    version.source = {**rest, "state": WAITING, "asked_at": timezone.now().isoformat()}
    version.save(update_fields=["source"])
    audit.record(by=by, action="rubric.draft_asked", noun="rubric_version", target=version.pk, site=version.rubric.site)
    transaction.on_commit(lambda: _send(version))


def is_stuck(version: RubricVersion) -> bool:
    """Whether the answer should have come long ago, as when the worker was lost."""
    asked = version.source.get("asked_at") or version.created_at.isoformat()
    return version.source.get("state") == WAITING and asked < (timezone.now() - STUCK).isoformat()


def draw(version_id: str) -> int:
    """The worker's part: ask, read, keep; how many criteria. A second delivery changes nothing."""
    version = RubricVersion.objects.select_related("rubric__case", "rubric__site").get(pk=version_id)
    case = version.rubric.case
    if version.source.get("state") != WAITING or case is None:
        return 0
    try:
        _require_leave(case)
        rows = asyncio.run(_ask(case))
    except (DraftError, Refused) as problem:
        _end(version, [], str(problem))
        return 0
    return _end(version, rows, "")


def fill(*, version: RubricVersion, rows: Iterable[CriterionRow], by: User | None = None) -> int:
    """Criteria as a file or a draft has them, with keys of their own where they bring none."""
    taken: list[str] = []
    found = []
    for position, row in enumerate(rows):
        # A key stands in addresses: a file's own is kept where it can.
        key = row.key if PLAIN_KEY.fullmatch(row.key) and row.key not in taken else free_key(row.text, taken)
        taken.append(key)
        clean = cleaned(row.as_dict(), weighs=True)
        found.append(RubricCriterion(version=version, key=key, position=position, by=by, **clean))
    RubricCriterion.objects.bulk_create(found)
    return len(found)


def _rows_by_rules(scope: str, case: Case | None, group: str) -> list[CriterionRow]:
    try:
        if scope == RubricScope.CASE and case:
            condition = condition_of(case.answer) if case.answer else None
            return draft_for_condition(condition or "")
        return draft_for_group(group)
    except KeyError as error:
        raise Refused(SENTENCES["unknown"]) from error


def _require_leave(case: Case) -> None:
    """A deleted case goes nowhere; a real patient's words, and what is under an agreement, to a model on this site's

    own machines only.
    """
    if case.deleted_at is not None:
        raise Refused(SENTENCES["deleted"])
    closed = case.credentialed or case.is_real
    try:
        may_send("credentialed" if closed else "public", settings.JUDGE_URL, internal=tuple(settings.INTERNAL_HOSTS))
    except CredentialedText as error:
        facts = {"host": error.host, "for": "rubric draft"}
        audit.record(by=None, action="credentialed.refused", noun="case", target=case.pk, site=case.site, data=facts)
        raise Refused(SENTENCES["elsewhere"]) from error


async def _ask(case: Case) -> list[CriterionRow]:
    client = PolicyClient(
        settings.JUDGE_URL,
        settings.JUDGE_MODEL,
        api_key=settings.JUDGE_API_KEY or None,
        first_token_seconds=settings.POLICY_FIRST_TOKEN_SECONDS,
        idle_seconds=settings.POLICY_IDLE_SECONDS,
    )
    async with client:
        return await draft_by_model(case_record(case), client)


@transaction.atomic
def _end(version: RubricVersion, rows: list[CriterionRow], error: str) -> int:
    """What came, or why nothing did; what somebody began by hand meanwhile is left alone."""
    version = rubrics.lock(version)
    if version.source.get("state") != WAITING or version.status != RubricStatus.WRITING:
        return 0
    if not error and version.criteria.exists():
        rows, error = [], SENTENCES["gone"]
    kept = fill(version=version, rows=rows)
    outcome: dict[str, Any] = {"state": FAILED, "error": error} if error else {"state": DONE, "criteria": kept}
    version.source = {**version.source, **outcome}
    version.save(update_fields=["source"])
    audit.record(
        by=None, action="rubric.drafted", noun="rubric_version", target=version.pk, data=outcome,
        site=version.rubric.site,
    )  # fmt: skip
    return kept


def _send(version: RubricVersion) -> None:
    """Without a broker the request stays on the row and can be repeated."""
    try:
        current_app.send_task(TASK, args=[str(version.pk)], ignore_result=True, retry=False)
    except OperationalError:
        log.warning("no broker: the draft of rubric version %s was not begun", version.pk)
