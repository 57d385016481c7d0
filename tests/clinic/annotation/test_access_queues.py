"""Queues by role: keepers see and change their own site's, annotators take from them, others know nothing of them."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from clinic.models import Annotation, AnnotationQueue, AuditEntry, Role
from tests.clinic.annotation.access_queues import NAMES
from tests.clinic.annotation.factories import make_annotation, make_item, make_queue
from tests.clinic.factories import default_site, make_case, make_consultation, make_site, make_user

pytestmark = pytest.mark.django_db
KEEPERS = (Role.ADJUDICATOR, Role.ADMIN)
POSTS = {"queue_close", "queue_assign", "queue_reassign", "queue_send_back"}
OF_ROWS = ("queue", "queue_close", "queue_item", "queue_assign", "queue_reassign", "queue_send_back")


@pytest.fixture
def rows():
    """For each site: the arguments of each address."""
    found = {}
    for whose, site in (("own", default_site()), ("elsewhere", make_site())):
        queue = make_queue(site=site)
        item = make_item(queue, consultation=make_consultation(case=make_case(site=site)))
        free = make_item(queue, consultation=make_consultation(case=make_case(site=site)))
        late = timezone.now() + timedelta(minutes=9)
        done = make_annotation(item)
        open_one = make_annotation(item, status="open", submitted_at=None, reserved_until=late)
        found[whose] = {
            "queue": [queue.pk],
            "queue_close": [queue.pk],
            "queue_item": [item.pk],
            "queue_assign": [free.pk],
            "queue_reassign": [open_one.pk],
            "queue_send_back": [done.pk],
        }
    return found


def client_of(role):
    client = Client()
    client.force_login(make_user(role), backend="clinic.accounts.ClinicBackend")
    return client


def ask(client, name, arguments, data=None):
    address = reverse(name, args=arguments)
    return client.post(address, data or {}) if name in POSTS else client.get(address)


def state():
    annotations = sorted(Annotation.objects.values_list("pk", "status", "annotator"))
    return annotations, sorted(AnnotationQueue.objects.values_list("pk", "closed_at")), AuditEntry.objects.count()


def test_every_address_is_walked_here():
    assert {*OF_ROWS, "queue_list", "queue_new"} == NAMES


@pytest.mark.parametrize("role", list(Role))
def test_only_keepers_and_only_at_their_site(rows, role):
    client = client_of(role)
    before = state()
    for name in OF_ROWS:
        status = ask(client, name, rows["elsewhere"][name], {"reason": "x"}).status_code
        assert status == (404 if role in KEEPERS else 403), f"{role} opens {name} elsewhere: {status}"
        if role not in KEEPERS:
            assert ask(client, name, rows["own"][name], {"reason": "x"}).status_code == 403
    assert state() == before
    assert client.get(reverse("queue_new")).status_code == (200 if role in KEEPERS else 403)
    assert client.post(reverse("queue_new"), {"build": "1"}).status_code == (422 if role in KEEPERS else 403)
    may_list = role in (*KEEPERS, Role.ANNOTATOR)
    assert client.get(reverse("queue_list")).status_code == (200 if may_list else 403)


@pytest.mark.parametrize("role", KEEPERS)
def test_keepers_do_what_the_pages_offer(rows, role):
    client, other = client_of(role), make_user(Role.ANNOTATOR)
    own = rows["own"]
    for name in ("queue", "queue_item"):
        assert ask(client, name, own[name]).status_code == 200
    assert ask(client, "queue_send_back", own["queue_send_back"], {"reason": "Evidence"}).status_code == 302
    assert Annotation.objects.get(pk=own["queue_send_back"][0]).status == "returned"
    assert ask(client, "queue_reassign", own["queue_reassign"], {"to": other.pk}).status_code == 302
    assert Annotation.objects.get(pk=own["queue_reassign"][0]).status == "expired"
    assert ask(client, "queue_assign", own["queue_assign"], {"to": other.pk}).status_code == 302
    assert Annotation.objects.filter(annotator=other, status="open").count() == 2
    assert ask(client, "queue_close", own["queue_close"]).status_code == 302
    assert AnnotationQueue.objects.get(pk=own["queue_close"][0]).closed_at
    told = {"annotation.sent_back", "annotation.assigned", "queue.closed"}
    assert told <= set(AuditEntry.objects.values_list("action", flat=True))


def test_nobody_of_another_site_is_given_an_item(rows):
    stranger = make_user(Role.ANNOTATOR, site=make_site())
    ask(client_of(Role.ADMIN), "queue_assign", rows["own"]["queue_assign"], {"to": stranger.pk})
    assert not Annotation.objects.filter(annotator=stranger).exists()


def test_what_changes_is_posted(rows):
    client = client_of(Role.ADMIN)
    for name in POSTS:
        assert client.get(reverse(name, args=rows["own"][name])).status_code == 405


def test_a_stranger_is_led_to_the_door(rows):
    before = state()
    for name in NAMES:
        for method in ("get", "post"):
            answer = getattr(Client(), method)(reverse(name, args=rows["own"].get(name, [])))
            assert answer.status_code == 302, name
            assert "/accounts/login/" in answer["Location"]
    assert state() == before
