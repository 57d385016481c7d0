"""The demo's rubric and queue, and the worker's clock that ends reservations."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.conf import settings
from django.utils import timezone

from clinic import tasks
from clinic.celery import app
from clinic.models import Annotation, AnnotationQueue, Role, Rubric, User
from clinic.services import demo, queues
from tests.clinic.annotation.factories import make_item
from tests.clinic.annotation.test_queue_building import closed
from tests.clinic.factories import make_user

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _no_agent(settings):
    settings.POLICY_URL = ""


def test_seeding_twice_makes_one_rubric_and_a_queue_once_something_is_closed():
    site = demo.seed().site
    assert Rubric.objects.filter(site=site).count() == 1
    assert not AnnotationQueue.objects.exists()
    closed("defer", "x", case=site.cases.first())
    demo.seed()
    demo.seed()
    (queue,) = AnnotationQueue.objects.all()
    assert queue.items.count() == 1
    assert Rubric.objects.filter(site=site).count() == 1
    physician = User.objects.get(username="demo-physician")
    assert queues.take_next(by=physician).item.rubric_version.status == "published"


def test_an_adjudicator_who_became_something_else_seeds_no_rubric():
    make_user(Role.CLINICIAN, username=demo.ADJUDICATOR)
    demo.seed()
    assert not Rubric.objects.exists()


def test_the_clock_names_a_task_that_ends_what_ran_out():
    (entry,) = (row for row in settings.CELERY_BEAT_SCHEDULE.values() if "reservations" in row["task"])
    app.loader.import_default_modules()
    assert entry["task"] in app.tasks
    taken = queues.take_next(by=make_user(Role.ANNOTATOR), queue=make_item().queue)
    assert tasks.expire_reservations() == 0
    Annotation.objects.filter(pk=taken.pk).update(reserved_until=timezone.now() - timedelta(seconds=1))
    assert tasks.expire_reservations() == 1
