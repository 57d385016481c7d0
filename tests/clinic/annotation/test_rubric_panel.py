"""A panel: two authors who do not see each other, a reviewer, a weigher, and no one twice."""

import pytest
from django.db import IntegrityError, transaction
from django.test import Client
from django.urls import reverse

from clinic.models import Role, RubricFlow, RubricPart, RubricRole, RubricScope, RubricStatus
from clinic.rubric_access import Access
from clinic.services import rubric_criteria, rubric_panel, rubrics
from clinic.services.errors import Refused
from tests.clinic.factories import make_site, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def people():
    return dict(zip(RubricRole.values, [make_user(Role.ANNOTATOR) for _ in range(4)], strict=True))


@pytest.fixture
def keeper():
    return make_user(Role.ADMIN)


@pytest.fixture
def version(keeper, people):
    made = rubrics.create(by=keeper, title="P", scope=RubricScope.GENERAL, flow=RubricFlow.PANEL)
    rubric_panel.assign(version=made, by=keeper, people=people)
    return made


def write(version, by, text):
    return rubric_criteria.add(version=version, by=by, fields={"text": text, "points": 7, "axis": "safety"})


def texts(version, user):
    return [row.text for row in Access(rubrics.lock(version), user).criteria()]


def finish_writing(version, people):
    first, second = people["author"], people["second_author"]
    write(version, first, "Orders an ECG.")
    write(version, second, "Requests an electrocardiogram.")
    write(version, second, "Asks about smoking.")
    rubric_panel.done(version=version, by=first)
    return rubric_panel.done(version=version, by=second, note="Two on the ECG.")


@pytest.mark.django_db(transaction=False)
def test_the_whole_way(version, people):
    first, second, reviewer, weigher = (people[role] for role in RubricRole.values)
    written = finish_writing(version, people)
    assert written.status == RubricStatus.REVIEW
    assert len(texts(version, reviewer)) == 3
    ecg, other, smoking = version.criteria.all()
    rubric_criteria.merge(criterion=ecg, other=other, by=reviewer, text="Orders a 12-lead ECG.")
    rubric_panel.done(version=version, by=reviewer)
    for row, points in ((ecg, 8), (smoking, 3)):
        rubric_criteria.change(criterion=row, by=weigher, fields={"points": points, "text": "Not mine to reword."})
    published = rubrics.publish(version=version, by=weigher)
    assert published.published_by == weigher
    kept = [(row.text, row.points) for row in version.criteria.filter(kept=True)]
    assert kept == [("Orders a 12-lead ECG.", 8), ("Asks about smoking.", 3)]
    assert version.criteria.filter(kept=False).get().text == "Requests an electrocardiogram."
    assert version.parts.filter(done_at=None).count() == 0
    again = rubrics.new_version(rubric=version.rubric, by=weigher)
    assert {part.by for part in again.parts.all()} == {first, second, reviewer, weigher}
    assert texts(again, first) == texts(again, second) == ["Orders a 12-lead ECG.", "Asks about smoking."]


def test_neither_author_sees_the_others_before_both_are_done(version, people):
    first, second = people["author"], people["second_author"]
    write(version, first, "Orders an ECG.")
    write(version, second, "Asks about smoking.")
    assert texts(version, first) == ["Orders an ECG."]
    assert texts(version, second) == ["Asks about smoking."]
    assert texts(version, people["reviewer"]) == []
    rubric_panel.done(version=version, by=first)
    assert texts(version, first) == ["Orders an ECG."]
    rubric_panel.done(version=version, by=second)
    assert len(texts(version, first)) == 2


def test_authors_write_no_guideline_that_the_other_would_read(version, people):
    with pytest.raises(Refused):
        rubrics.set_guideline(version=version, by=people["author"], guideline="Think of the heart.")
    finish_writing(version, people)
    rubrics.set_guideline(version=version, by=people["reviewer"], guideline="Judge what was done.")
    version.refresh_from_db()
    assert version.guideline == "Judge what was done."


def test_no_page_shows_the_others_criteria(version, people, keeper):
    write(version, people["author"], "Orders a secret ECG.")
    write(version, people["second_author"], "Asks about smoking.")
    client = Client()
    pages = ("rubric", "rubric_diff", "rubric_export", "rubric_rescore")
    for person in (people["second_author"], people["reviewer"], people["weigher"], keeper):
        client.force_login(person, backend="clinic.accounts.ClinicBackend")
        for name in pages:
            assert b"secret" not in client.get(reverse(name, args=[version.pk])).content
        checked = client.post(reverse("rubric_check", args=[version.pk]), {"text": "Orders a secret ECG", "points": 3})
        assert b"the same" not in checked.content


def test_nobody_changes_what_is_not_their_part(version, people):
    row = write(version, people["author"], "Orders an ECG.")
    with pytest.raises(Refused, match="turn"):
        rubric_criteria.change(criterion=row, by=people["second_author"], fields={"text": "Other."})
    for role in ("reviewer", "weigher"):
        with pytest.raises(Refused, match="turn"):
            write(version, people[role], "Too early.")
    with pytest.raises(Refused, match="not written"):
        rubric_panel.done(version=version, by=people["second_author"])
    rubric_panel.done(version=version, by=people["author"])
    with pytest.raises(Refused, match="turn"):
        write(version, people["author"], "Too late.")
    write(version, people["second_author"], "Asks about smoking.")
    rubric_panel.done(version=version, by=people["second_author"])
    for role in ("author", "weigher"):
        with pytest.raises(Refused, match="turn"):
            rubric_criteria.keep(criterion=row, by=people[role], kept=False)
    with pytest.raises(Refused):
        rubrics.publish(version=version, by=people["reviewer"])


def test_authors_and_reviewer_give_no_points(version, people):
    row = write(version, people["author"], "Orders an ECG.")
    assert row.points == 0
    finish = finish_writing(version, people)
    rubric_criteria.change(criterion=row, by=people["reviewer"], fields={"text": "Orders an ECG early.", "points": 9})
    row.refresh_from_db()
    assert (row.text, row.points, finish.status) == ("Orders an ECG early.", 0, "review")


def test_the_weigher_sends_back_and_points_given_stay(version, people):
    finish_writing(version, people)
    rubric_panel.done(version=version, by=people["reviewer"])
    row = version.criteria.first()
    rubric_criteria.change(criterion=row, by=people["weigher"], fields={"points": 6})
    back = rubric_panel.send_back(version=version, by=people["weigher"], note="Two on the ECG.")
    assert back.status == RubricStatus.REVIEW
    rubric_criteria.change(criterion=row, by=people["reviewer"], fields={"text": "Orders an ECG first."})
    row.refresh_from_db()
    assert row.points == 6
    with pytest.raises(Refused, match="turn"):
        rubric_panel.send_back(version=version, by=people["weigher"])


def test_the_reviewer_keeps_something(version, people):
    finish_writing(version, people)
    for row in version.criteria.all():
        rubric_criteria.keep(criterion=row, by=people["reviewer"], kept=False)
    with pytest.raises(Refused, match="at least one"):
        rubric_panel.done(version=version, by=people["reviewer"])


def test_four_different_physicians_of_the_site(version, people, keeper):
    assign = rubric_panel.assign
    with pytest.raises(Refused, match="four different"):
        assign(version=version, by=keeper, people={**people, "weigher": people["author"]})
    with pytest.raises(Refused, match="four different"):
        assign(version=version, by=keeper, people={"author": people["author"]})
    for stranger in (make_user(Role.ANNOTATOR, site=make_site()), make_user(Role.CLINICIAN)):
        with pytest.raises(Refused, match="annotate at this site"):
            assign(version=version, by=keeper, people={**people, "weigher": stranger})
    with pytest.raises(Refused):
        assign(version=version, by=make_user(Role.ANNOTATOR), people=people)
    with pytest.raises(IntegrityError), transaction.atomic():
        RubricPart.objects.filter(version=version, role="weigher").update(by=people["author"])


def test_who_has_begun_stays(version, people, keeper):
    other = make_user(Role.ANNOTATOR)
    rubric_panel.assign(version=version, by=keeper, people={**people, "weigher": other})
    write(version, people["author"], "Orders an ECG.")
    with pytest.raises(Refused, match="done already"):
        rubric_panel.assign(version=version, by=keeper, people={**people, "author": make_user(Role.ANNOTATOR)})
    swapped = {**people, "author": people["second_author"], "second_author": people["author"]}
    with pytest.raises(Refused):
        rubric_panel.assign(version=version, by=keeper, people=swapped)
