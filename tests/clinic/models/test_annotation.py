"""What the database itself refuses about rubrics and annotations."""

from __future__ import annotations

import pytest
from django.db import DatabaseError, IntegrityError, transaction

from clinic.models import Annotation, RubricCriterion, RubricStatus
from tests.clinic.annotation.factories import make_annotation, make_item, make_rubric
from tests.clinic.factories import make_user

pytestmark = pytest.mark.django_db


def test_the_criteria_of_a_published_version_never_change():
    version = make_rubric()
    with pytest.raises(DatabaseError, match="make a new version"), transaction.atomic():
        version.criteria.update(points=1)
    with pytest.raises(DatabaseError, match="make a new version"), transaction.atomic():
        version.criteria.all().delete()
    with pytest.raises(DatabaseError, match="make a new version"), transaction.atomic():
        RubricCriterion.objects.create(version=version, key="more", text="More", points=1)


def test_the_criteria_of_an_open_version_do():
    version = make_rubric(status=RubricStatus.WRITING)
    assert version.criteria.update(points=1) == 3


def test_a_never_item_is_a_penalty():
    with pytest.raises(IntegrityError, match="never_is_negative"), transaction.atomic():
        make_rubric({"key": "kills", "text": "Orders what kills", "points": 3, "never": True})


def test_one_annotation_of_an_item_is_authoritative():
    item = make_item()
    make_annotation(item, authoritative=True)
    with pytest.raises(IntegrityError, match="one_authoritative_annotation"), transaction.atomic():
        make_annotation(item, authoritative=True)


def test_a_judge_is_never_authoritative():
    with pytest.raises(IntegrityError, match="authoritative_is_submitted_by_a_person"), transaction.atomic():
        make_annotation(make_item(), origin="judge", authoritative=True)


def test_a_person_has_one_live_annotation_of_an_item():
    item, annotator = make_item(), make_user("annotator")
    make_annotation(item, annotator, status="open")
    with pytest.raises(IntegrityError, match="one_live_annotation"), transaction.atomic():
        Annotation.objects.create(item=item, annotator=annotator)
