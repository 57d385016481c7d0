"""The page of drift, and alarms as people clear them."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from tests.clinic import factories as make
from tests.training.drift.factories import consult
from training import alarms, drift
from training.models import Alarm

pytestmark = pytest.mark.django_db


@pytest.fixture
def admin() -> Client:
    client = Client()
    client.force_login(make.make_user("admin"), backend="clinic.accounts.ClinicBackend")
    return client


def shown(client: Client, name: str, **query) -> str:
    answer = client.get(reverse(f"training:{name}"), query)
    assert answer.status_code == 200
    return answer.content.decode()


def test_without_consultations_it_says_so(admin):
    page = shown(admin, "drift")
    assert "No consultation in the last 16 weeks" in page
    assert "No judge has rated" in page


def test_a_change_is_drawn_and_its_alarm_stands_above(admin):
    endpoint = make.make_serving_agent()
    for number in range(36):
        consult(50 + number / 2, endpoint=endpoint, complaint="Cough")
        consult(number / 2, endpoint=endpoint, complaint="Headache", turns=6)
    drift.watch(make.default_site())
    page = shown(admin, "drift")
    assert page.count("Changed, index") == 1
    assert '<span class="badge danger">Changed</span>' in page
    assert "Complaints changed" in page
    assert "Headache" in page
    assert "calibration error 0.20 over 36" in page
    assert "(2 open)" in page


def test_alarms_are_cleared_with_a_reason(admin):
    alarm = alarms.raise_(kind="identity", subject="dx-1", message="Another version answers.")
    page = shown(admin, "alarm_list")
    assert "Another version answers." in page
    assert "the whole installation" in page
    address = reverse("training:alarm_clear", args=[alarm.pk])
    assert "Say what was found" in admin.post(address, {"why": ""}, follow=True).content.decode()
    assert Alarm.objects.get().cleared_at is None
    admin.post(address, {"why": "The server was restarted"})
    assert "No open alarm" in shown(admin, "alarm_list")
    assert "The server was restarted" in shown(admin, "alarm_list", all="1")
    reader = Client()
    reader.force_login(make.make_user("researcher"), backend="clinic.accounts.ClinicBackend")
    alarms.raise_(kind="identity", subject="dx-1", message="Again another.")
    page = shown(reader, "alarm_list")
    assert "Again another." in page
    assert "What was found" not in page
