"""Pages of agreement: what they show, what a blind queue keeps back, and settling through the form."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from clinic.models import AnnotationOrigin, AnnotationStatus, Role
from tests.clinic.annotation.factories import make_annotation, make_item, make_queue
from tests.clinic.annotation.panels import make_panel
from tests.clinic.factories import make_consultation, make_serving_agent, make_user

pytestmark = pytest.mark.django_db
FIRST = {"ecg": "met", "names": "not_met", "repeats": "not_met"}
HOSTILE = "<script>alert(1)</script>"


@pytest.fixture
def adjudicator():
    make_serving_agent()
    return make_user(Role.ADJUDICATOR)


@pytest.fixture
def browser(adjudicator):
    found = Client()
    found.force_login(adjudicator, backend="clinic.accounts.ClinicBackend")
    found.get(reverse("agreement"))  # the first request of a session writes when it was seen
    return found


@pytest.fixture
def disputed():
    item = make_item(make_queue(overlap=2))
    first = make_annotation(item, verdicts=FIRST)
    first.ratings.filter(criterion__key="names").update(reason=HOSTILE)
    make_annotation(item, verdicts={**FIRST, "names": "met"})
    return item


def page(browser, name, *arguments):
    answer = browser.get(reverse(name, args=arguments))
    assert answer.status_code == 200
    return answer.content.decode()


def test_the_flipping_annotator_stands_on_the_page(browser, django_assert_max_num_queries):
    queue, people = make_panel(items=30, raters=4, overlap=3, flips=1)
    with django_assert_max_num_queries(8):
        shown = page(browser, "agreement_queue", queue.pk)
    assert f"{people[1].display_name} judges against the others" in shown
    assert shown.count("Against the others") == 1


def test_a_small_queue_says_too_few(browser):
    queue, _ = make_panel(items=4, overlap=2)
    shown = page(browser, "agreement_queue", queue.pk)
    assert "too few" in shown
    assert "Against the others" not in shown


def test_verdicts_stand_side_by_side_without_names(browser, disputed, django_assert_max_num_queries):
    with django_assert_max_num_queries(8):
        shown = page(browser, "agreement_item", disputed.pk)
    assert "Disputed" in shown
    assert HOSTILE not in shown
    assert "&lt;script&gt;" in shown
    for one in disputed.annotations.all():
        assert one.annotator.display_name not in shown


def test_the_list_leads_to_what_waits(browser, disputed, django_assert_max_num_queries):
    with django_assert_max_num_queries(8):
        shown = page(browser, "agreement")
    assert reverse("agreement_item", args=[disputed.pk]) in shown


def test_a_blind_queue_shows_nothing_before_all_are_in(browser, adjudicator):
    item = make_item(make_queue(overlap=2))
    make_annotation(item, verdicts=FIRST)
    assert "Not open yet" in page(browser, "agreement_item", item.pk)
    make_annotation(item, verdicts={**FIRST, "ecg": "not_met"})
    assert "Disputed" in page(browser, "agreement_item", item.pk)
    make_annotation(item, adjudicator, status=AnnotationStatus.OPEN, submitted_at=None)
    assert "Not open yet" in page(browser, "agreement_item", item.pk), "never to who is still judging"


def test_settling_through_the_form(browser, disputed):
    address = reverse("agreement_adjudicate", args=[disputed.pk])
    form = {"v@@ecg": "met", "v@@names": "met", "v@@repeats": "not_met", "reason": ""}
    refused = browser.post(address, form)
    assert refused.status_code == 422
    assert "Say why" in refused.content.decode()
    assert not disputed.annotations.filter(authoritative=True).exists()
    assert browser.post(address, {**form, "reason": "Named at the end."}).status_code == 302
    made = disputed.annotations.get(authoritative=True)
    assert made.origin == AnnotationOrigin.ADJUDICATION
    assert "Named at the end." in page(browser, "agreement_item", disputed.pk)


def test_a_comparison_is_settled_through_the_form(browser):
    item = make_item(make_queue(overlap=2), other=make_consultation())
    for choice in ("first", "second"):
        made = make_annotation(item)
        for name in ("proactiveness", "accuracy", "usefulness", "language"):
            made.preferences.create(dimension=name, choice=choice)
    form = {f"p@{name}": "b" for name in ("proactiveness", "accuracy", "usefulness", "language")}
    form |= {"w@accuracy": "Nearer.", "reason": "B orders the ECG."}
    assert browser.post(reverse("agreement_adjudicate", args=[item.pk]), form).status_code == 302
    made = item.annotations.get(authoritative=True)
    assert set(made.preferences.values_list("choice", flat=True)) == {"second"}


def test_the_pages_of_the_judge_take_few_queries(browser, django_assert_max_num_queries):
    queue, _ = make_panel(items=12, overlap=2)
    for item in queue.items.all():
        make_annotation(item, origin=AnnotationOrigin.JUDGE, verdicts=FIRST, judge={"kind": "rules"}, score=0.4)
    with django_assert_max_num_queries(8):
        assert "12 judged" in page(browser, "training:judge")
    with django_assert_max_num_queries(8):
        shown = page(browser, "training:judge_version", queue.rubric_version_id)
    assert "20 are needed before agreement is known" in shown
    assert "Not rewarded" in shown
    assert "May be rewarded" not in shown
