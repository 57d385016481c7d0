"""A record that an evaluation was on teaches nothing."""

from __future__ import annotations

import pytest

from clinic.learnable import case_forbids, forbids, look_up
from clinic.models import CaseKind, Feedback, Role
from clinic.services import approval, feedback
from clinic.training_rows.export import export
from tests.clinic import factories as make
from tests.training.factories import make_evaluated, make_evaluation

pytestmark = pytest.mark.django_db


def given(case) -> Feedback:
    held = make.make_consultation(case=case)
    row = feedback.give(kind="accepted", by=held.clinician, consultation=held, target="ECG", consent=True)
    approval.approve(ids=[row.pk], by=make.make_user(Role.ADJUDICATOR))
    return Feedback.objects.get(pk=row.pk)


def test_a_record_that_was_measured_on_is_held_out():
    case = make.make_case(CaseKind.RECORD)
    row = given(case)
    evaluation = make_evaluation(case_set=case.origin)
    assert forbids(Feedback.objects.get(pk=row.pk)) == ""
    make_evaluated(evaluation, case=case.key)
    assert forbids(Feedback.objects.get(pk=row.pk)) == "held_out"
    assert export(site=case.site, format="sft").left_out == {"a case kept for measuring": 1}


def test_other_cases_and_other_sites_are_not():
    case, practised = make.make_case(CaseKind.RECORD), make.make_case(key="virtual:train:0001@abc")
    make_evaluated(make_evaluation(case_set=case.origin), case="another")
    make_evaluated(make_evaluation(case_set=case.origin, site=make.make_site()), case=case.key)
    make_evaluated(make_evaluation(), case=practised.key)
    assert [forbids(given(one)) for one in (case, practised)] == ["", ""]


def test_many_rows_are_asked_for_at_once(django_assert_num_queries):
    rows = [given(make.make_case(CaseKind.RECORD)) for _ in range(3)]
    evaluation = make_evaluation()
    for row in rows:
        make_evaluated(evaluation, case=row.consultation.case.key)
    cases = [row.consultation.case for row in rows]
    with django_assert_num_queries(1):
        look_up(cases)
        assert {case_forbids(case) for case in cases} == {"held_out"}
