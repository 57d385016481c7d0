"""Who opens a sheet: its annotator alone, and of the pages around it those who judge."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from clinic.models import Annotation, Role
from tests.clinic.annotation.access_sheet import NAMES, OPEN_TO_ANNOTATORS, OWN_SHEET
from tests.clinic.annotation.sheets import make_sheet_queue, taken
from tests.clinic.factories import make_site, make_user

pytestmark = pytest.mark.django_db
JUDGES = (Role.ANNOTATOR, Role.ADJUDICATOR)


def signed_in(user) -> Client:
    client = Client()
    client.force_login(user, backend="clinic.accounts.ClinicBackend")
    return client


def ask(client, name, annotation) -> int:
    """By the method that does something."""
    method = "get" if name in (*OPEN_TO_ANNOTATORS, "sheet") else "post"
    arguments = [annotation.pk] if name in OWN_SHEET else []
    return getattr(client, method)(reverse(name, args=arguments)).status_code


@pytest.fixture
def sheets():
    """One sheet here and one at another site, each with its annotator."""
    here = taken(make_sheet_queue(2)[0], make_user(Role.ANNOTATOR))
    site = make_site()
    return here, taken(make_sheet_queue(2, site=site)[0], make_user(Role.ANNOTATOR, site=site))


@pytest.mark.parametrize("role", Role.values)
def test_nobody_opens_another_s_sheet(sheets, role):
    client = signed_in(make_user(role))
    before = list(Annotation.objects.order_by("pk").values())
    for name in sorted(OWN_SHEET):
        for annotation in sheets:
            assert ask(client, name, annotation) == (404 if role in JUDGES else 403), (role, name)
            client.post(reverse("sheet", args=[annotation.pk]), {"critique": "x"})
    assert list(Annotation.objects.order_by("pk").values()) == before


def test_its_annotator_opens_it(sheets):
    for annotation in sheets:
        client = signed_in(annotation.annotator)
        for name in sorted(OWN_SHEET):
            assert ask(client, name, annotation) < 400, name


@pytest.mark.parametrize("role", Role.values)
def test_only_who_judges_takes_something_to_judge(sheets, role):
    client = signed_in(make_user(role))
    for name in sorted(OPEN_TO_ANNOTATORS):
        status = ask(client, name, sheets[0])
        assert (status < 400) if role in JUDGES else status == 403, (role, name, status)
    elsewhere = {"queue": str(sheets[1].item.queue_id)}
    assert client.get(reverse("sheet_next"), elsewhere).status_code == (404 if role in JUDGES else 403)


def test_a_stranger_is_led_to_the_door(sheets):
    for name in sorted(NAMES):
        arguments = [sheets[0].pk] if name in OWN_SHEET else []
        for method in ("get", "post"):
            answer = getattr(Client(), method)(reverse(name, args=arguments))
            assert answer.status_code == 302, name
            assert "/accounts/login/" in answer["Location"], name
