"""Who still has an item of a blind queue to judge gets nobody's verdicts of it by the files and pages of learning."""

from __future__ import annotations

import pytest
from django.urls import reverse

from clinic.models import Annotation, AnnotationStatus, CaseKind, Feedback, QueueItem, Role
from clinic.services import annotation_exports, feedback
from tests.clinic import factories as make
from tests.clinic.annotation import factories as judged

pytestmark = pytest.mark.django_db


@pytest.fixture
def adjudicator(client):
    make.make_serving_agent()
    found = make.make_user(Role.ADJUDICATOR)
    client.force_login(found, backend="clinic.accounts.ClinicBackend")
    return found


def told(**fields) -> Annotation:
    """Somebody's judgement with the score that it gave for learning."""
    kind, blind = fields.pop("kind", CaseKind.VIRTUAL), fields.pop("blind", True)
    held = make.make_consultation(case=make.make_case(kind, **fields))
    item = judged.make_item(judged.make_queue(overlap=2, blind=blind), consultation=held)
    made = judged.make_annotation(item, None, {"ecg": "met"}, score=0.37)
    given = feedback.give(
        kind="rating", by=made.annotator, consultation=held, data={"annotation": str(made.pk), "score": 0.37}
    )
    Annotation.objects.filter(pk=made.pk).update(feedback=given)
    return made


def seen(client, user, made: Annotation) -> dict[str, bool]:
    """By which ways this person gets the judgement."""
    files = {name: annotation_exports.write(site=user.site, format=name, by=user) for name in ("csv", "jsonl")}
    fhir = reverse("learning_annotation_fhir", args=[made.pk])
    return {
        **{name: str(made.pk) in file.text for name, file in files.items()},
        "fhir": client.get(fhir).status_code == 200,
        "list": fhir in client.get(reverse("learning_exports")).content.decode(),
        "score": "score 0.37" in client.get(reverse("learning_review")).content.decode(),
    }


@pytest.mark.parametrize("status", [AnnotationStatus.OPEN, AnnotationStatus.RETURNED, AnnotationStatus.EXPIRED])
def test_not_while_ones_own_is_in_work(client, adjudicator, status):
    made = told()
    judged.make_annotation(made.item, adjudicator, status=status, submitted_at=None)
    assert not any(seen(client, adjudicator, made).values())
    written = annotation_exports.write(site=adjudicator.site, format="csv", by=adjudicator)
    assert written.counts["left_out"]["of a blind queue, and not all judgements are in"] == 1


def test_once_all_are_in(client, adjudicator):
    made = told()
    judged.make_annotation(made.item, adjudicator, {"ecg": "met"})
    assert all(seen(client, adjudicator, made).values())


def test_an_open_queue_hides_nothing(client, adjudicator):
    made = told(blind=False)
    judged.make_annotation(made.item, adjudicator, status=AnnotationStatus.OPEN, submitted_at=None)
    assert all(seen(client, adjudicator, made).values())


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"kind": CaseKind.PATIENT}, "a real patient"),
        ({"kind": CaseKind.RECORD, "credentialed": True}, "data use agreement"),
        ({}, "withdrawn by who gave it"),
    ],
)
def test_fhir_leaves_out_what_the_other_files_leave_out(client, adjudicator, fields, why):
    made = told(blind=False, **fields)
    if not fields:
        row = Feedback.objects.get(annotation=made)
        feedback.withdraw(feedback=row, by=row.by)
    found = seen(client, adjudicator, made)
    assert not any(found[way] for way in ("csv", "jsonl", "fhir", "list"))
    assert why in client.get(reverse("learning_exports")).content.decode()
    assert QueueItem.objects.filter(annotations=made).exists()
