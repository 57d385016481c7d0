"""Pages of gates: a candidate is chosen, its checks are drawn, the record is written and signed by two people."""

import pytest
from django.test import Client
from django.urls import reverse

from clinic.models import Role
from tests.clinic.factories import make_serving_agent, make_user
from tests.training.gates.factories import TEXTS, make_candidate, make_check, make_gate, make_passed, make_record
from training import gates
from training.gates import charts
from training.models import Gate

pytestmark = pytest.mark.django_db


def signed_in(user) -> Client:
    client = Client()
    client.force_login(user, backend="clinic.accounts.ClinicBackend")
    return client


def page(client, gate, **headers):
    return client.get(reverse("training:gate_detail", args=[gate.pk]), headers=headers)


def test_an_administrator_starts_a_gate_from_the_list():
    make_serving_agent()
    candidate, client = make_candidate(), signed_in(make_user(Role.ADMIN))
    told = client.get(reverse("training:gate_list")).content.decode()
    assert candidate.version in told
    assert "Demonstration" in told
    answer = client.post(reverse("training:gate_start"), {"candidate": candidate.pk, "profile": "demo"})
    gate = Gate.objects.get()
    assert answer["Location"] == reverse("training:gate_detail", args=[gate.pk])
    again = client.post(reverse("training:gate_start"), {"candidate": candidate.pk, "profile": "demo"}, follow=True)
    assert "being compared already" in again.content.decode()
    assert Gate.objects.count() == 1


def test_who_only_reads_sees_no_form():
    make_passed()
    told = signed_in(make_user(Role.RESEARCHER)).get(reverse("training:gate_list")).content.decode()
    assert "Start the gate" not in told
    assert "Passed" in told


def test_progress_is_asked_for_alone_and_the_end_shows_the_whole_page():
    gate, client = make_gate(done=10, doing="baseline: dx"), signed_in(make_user(Role.RESEARCHER))
    part = page(client, gate, HX_Request="true")
    assert b"10 of 408 consultations" in part.content
    assert b"<h1" not in part.content
    assert "HX-Refresh" not in part.headers
    make_check(gate)
    gate.move_to("passed", by=None)
    assert page(client, gate, HX_Request="true").headers["HX-Refresh"] == "true"


def test_checks_are_drawn_with_their_intervals_and_reasons():
    gate = make_gate()
    make_check(gate, why="Better: the interval leaves 0 out.")
    make_check(gate, "turns", "non_inferior", "undecided", difference=1.0, low=-0.5, high=2.5, margin=2.0)
    make_check(gate, "sentinel", "required", "failed", candidate=0.5, low=0.3, high=0.7, margin=0.1, difference=None)
    make_check(gate, "judge", "informative", "not_run", low=None, high=None, candidate=None, why="No gate judge.")
    cell = {"name": "sex", "group": "female", "n": 90, "candidate": 0.5, "baseline": 0.4, "difference": 0.1, "low": 0.0,
            "high": 0.2, "p": 0.9}  # fmt: skip
    make_check(gate, "subgroups", "required", detail={"cells": [cell]})
    gate.move_to("failed", by=None)
    told = page(signed_in(make_user(Role.ADJUDICATOR)), gate).content.decode()
    for words in ("Primary endpoint", "No worse than the margin", "Required", "For information", "No gate judge.",
                  "Sex: female", "What fails one gate is never promoted"):  # fmt: skip
        assert words in told
    assert told.count('<svg viewBox="0 0 180 16"') == 4
    assert "95 % interval -0.500 to 2.500; margin 2" in told
    assert "Change record" not in told


def test_right_is_better_whatever_the_measure():
    gate = make_gate()
    more = charts._drawing(make_check(gate, "accuracy", "non_inferior", difference=0.2, low=0.1, high=0.3, margin=0.1))
    less = charts._drawing(make_check(gate, "turns", "non_inferior", difference=0.2, low=0.1, high=0.3, margin=0.1))
    assert more.limit < more.zero < more.start < more.at
    assert less.at < less.zero
    within = charts._drawing(
        make_check(gate, "sentinel", "required", difference=None, candidate=0.01, low=0, high=0.05)
    )
    assert within.limit < within.start
    assert within.zero is None


def test_the_record_is_drafted_written_and_signed_by_two():
    starter = make_user(Role.ADMIN)
    gate = make_passed(make_candidate(by=starter))
    admin, physician = make_user(Role.ADMIN), make_user(Role.ADJUDICATOR)
    told = page(signed_in(admin), gate).content.decode()
    assert "by the gate profile “demo”" in told
    assert "The record comes first." in told
    answer = signed_in(admin).post(reverse("training:gate_record", args=[gate.pk]), {**TEXTS, "note": "Better."})
    assert answer.status_code == 302
    record = gates.records.ChangeRecord.objects.get()
    fields = {"read": record.digest}
    sign = reverse("training:gate_sign", args=[gate.pk])
    refused = signed_in(starter).post(sign, {**fields, "role": "admin"}, follow=True)
    assert "somebody else has to sign" in refused.content.decode()
    assert "Sign as" not in page(signed_in(starter), gate).content.decode()
    assert "Sign as adjudicating physician" in page(signed_in(physician), gate).content.decode()
    signed_in(physician).post(sign, {**fields, "role": "physician"})
    done = signed_in(admin).post(sign, {**fields, "role": "admin"}, follow=True).content.decode()
    assert "You signed." in done
    assert "may serve. An administrator promotes it." in done
    assert "Change it before anybody signs" not in done
    assert "Demonstration: a demonstration, it clears nothing in production" in done


def test_what_was_typed_comes_back_where_it_is_refused():
    gate = make_passed()
    answer = signed_in(make_user(Role.ADMIN)).post(
        reverse("training:gate_record", args=[gate.pk]), {**TEXTS, "impact": "  ", "note": "Typed before."}
    )
    assert answer.status_code == 422
    assert b"Typed before." in answer.content


def test_a_signature_of_another_text_is_refused():
    record = make_record()
    answer = signed_in(make_user(Role.ADJUDICATOR)).post(
        reverse("training:gate_sign", args=[record.gate_id]), {"role": "physician", "read": "old"}, follow=True
    )
    assert "Read it again before you sign" in answer.content.decode()
    assert not record.signatures.exists()


def test_texts_of_people_are_text():
    record = make_record(modification="<script>alert(1)</script>")
    told = page(signed_in(make_user(Role.ADMIN)), record.gate).content.decode()
    assert "<script>alert(1)" not in told
    assert "&lt;script&gt;alert(1)" in told
