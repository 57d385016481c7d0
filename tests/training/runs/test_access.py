"""Pages of runs by role and site: who may see training reads its own, administrators act."""

from __future__ import annotations

from datetime import time
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from clinic.models import ModelVersion, Role, User
from tests.clinic import factories as make
from tests.training.runs.access import ASK, NAMES, READ, READ_ONE, VERBS
from training.models import OutboxMessage, Run, Schedule

pytestmark = pytest.mark.django_db
READERS = (Role.ADJUDICATOR, Role.RESEARCHER, Role.ADMIN)
OTHERS = (Role.CLINICIAN, Role.ANNOTATOR)
EDIT = "training:schedule_edit"
FORM = {"name": "N", "trainer": "grpo", "recipe": "default", "opens": "22:00", "closes": "05:00", "at_least": "5"}


def rows_of(user: User, start: ModelVersion) -> dict[str, Any]:
    run = Run.objects.create(site=user.site, by=user, trainer="grpo", recipe="default", start=start, folder="x")
    schedule = Schedule.objects.create(
        site=user.site, by=user, name="Nightly", trainer="grpo", recipe="default", opens=time(22), closes=time(5)
    )
    return {"run": run, "schedule": schedule}


@pytest.fixture
def rows(serving: ModelVersion) -> dict[str, dict[str, Any]]:
    sites = {"own": make.default_site(), "elsewhere": make.make_site()}
    return {whose: rows_of(make.make_user(Role.ADMIN, site=site), serving) for whose, site in sites.items()}


def client_of(role: str) -> Client:
    client = Client()
    client.force_login(make.make_user(role), backend="clinic.accounts.ClinicBackend")
    return client


def ask(client: Client, name: str, rows: dict[str, Any], method: str = "get") -> int:
    of_run = name in READ_ONE | VERBS
    arguments = [rows["run"].pk] if of_run else [rows["schedule"].pk] if name == EDIT else []
    return int(getattr(client, method)(reverse(name, args=arguments), FORM if method == "post" else {}).status_code)


def state() -> tuple[Any, ...]:
    runs = sorted(map(str, Run.objects.values_list("pk", "status", "cancel_asked_at")))
    return runs, list(Schedule.objects.order_by("pk").values_list("name", "at_least")), OutboxMessage.objects.count()


def test_every_address_is_walked() -> None:
    assert READ | READ_ONE | ASK | VERBS | {EDIT} == NAMES


@pytest.mark.parametrize("role", READERS)
def test_who_may_see_training_reads_the_site_s(rows, role) -> None:
    client = client_of(role)
    for name in READ | READ_ONE:
        assert ask(client, name, rows["own"]) == 200, name
    for name in READ_ONE:
        assert ask(client, name, rows["elsewhere"]) == 404, name


@pytest.mark.parametrize("role", OTHERS)
def test_others_are_kept_out(rows, role) -> None:
    client, before = client_of(role), state()
    for name in NAMES:
        assert ask(client, name, rows["own"]) in (403, 404), name
        assert ask(client, name, rows["own"], "post") in (403, 404, 405), name
    assert state() == before


@pytest.mark.parametrize("role", [Role.ADJUDICATOR, Role.RESEARCHER])
def test_readers_change_nothing(rows, role) -> None:
    client, before = client_of(role), state()
    for name in VERBS | ASK | {EDIT}:
        assert ask(client, name, rows["own"], "post") == 403, name
        assert ask(client, name, rows["own"]) in (403, 405), name
    assert state() == before


def test_an_administrator_acts_on_the_own_site_only(rows) -> None:
    client, before = client_of(Role.ADMIN), state()
    for name in VERBS | {EDIT}:
        assert ask(client, name, rows["elsewhere"], "post") == 404, name
    assert state() == before
    for name in sorted(VERBS | {EDIT} | ASK):
        assert ask(client, name, rows["own"], "post") in (302, 422), name
    assert state() != before


def test_verbs_are_posted(rows) -> None:
    client = client_of(Role.ADMIN)
    for name in VERBS:
        assert ask(client, name, rows["own"]) == 405, name


def test_strangers_sign_in_first(rows) -> None:
    for name in NAMES:
        for method in ("get", "post"):
            assert ask(Client(), name, rows["own"], method) == 302, name
