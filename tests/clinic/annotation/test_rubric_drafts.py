"""Drafts by a model (a fake server with the real client) and by rules: proposals, and failures that say so."""

import asyncio
import json
import threading

import pytest
from django.db import connection
from django.urls import reverse

from agents.client import Completion
from agents.rubric_drafts import SCHEMA, draft_for_condition, draft_for_group, parse
from agents.rubric_formats import Unusable
from agents.rubric_lints import lint
from agents.rubrics import Criterion
from clinic.models import AuditEntry, CaseKind, Role, RubricOrigin, RubricScope, RubricVersion
from clinic.services import cases, rubric_criteria, rubric_drafts, rubrics
from clinic.services.errors import Refused
from tests.clinic.factories import make_case, make_user
from tests.doubles.engine import FakeEngine, Fault

pytestmark = pytest.mark.django_db


def reply(count=4, **change):
    rows = [
        {"text": f"Asks about topic {n} of the history.", "points": n + 1, "axis": "accuracy",
         "evidence_required": True, "never": False, "why": "The record has it."}
        for n in range(count)
    ]  # fmt: skip
    rows[0] |= change
    return json.dumps({"criteria": rows})


@pytest.fixture
def sent(monkeypatch):
    """What would go to the worker."""
    found = []
    monkeypatch.setattr(rubric_drafts, "_send", lambda version: found.append(str(version.pk)))
    return found


@pytest.fixture
def physician():
    return make_user(Role.ANNOTATOR)


@pytest.fixture
def model(settings):
    """Begins a fake model server that says these texts; settings name it."""
    stops = []

    def begin(*script, faults=()):
        engine, ready, end = FakeEngine(script=script), threading.Event(), threading.Event()
        engine.faults.extend(faults)

        async def serve():
            async with engine:
                ready.set()
                await asyncio.to_thread(end.wait)

        thread = threading.Thread(target=asyncio.run, args=(serve(),))
        thread.start()
        ready.wait(10)
        stops.append((end, thread))
        settings.JUDGE_URL, settings.JUDGE_MODEL = engine.url, "fake-model"
        return engine

    yield begin
    for end, thread in stops:
        end.set()
        thread.join(10)


def asked(physician, sent, django_capture_on_commit_callbacks, **case):
    with django_capture_on_commit_callbacks(execute=True):
        version = rubric_drafts.by_model(by=physician, title="Drafted", case=make_case(**case))
    assert sent == [str(version.pk)]
    return version


def drawn(version):
    count = rubric_drafts.draw(str(version.pk))
    version.refresh_from_db()
    return count


def test_a_model_drafts_and_a_physician_publishes(physician, sent, model, django_capture_on_commit_callbacks):
    engine = model(reply())
    version = asked(physician, sent, django_capture_on_commit_callbacks)
    assert (version.status, version.origin, version.source["state"]) == ("writing", "generated", "waiting")
    assert drawn(version) == 4
    assert (version.status, version.source["state"], version.published_by) == ("writing", "done", None)
    assert version.criteria.first().guideline == "The record has it."
    body = engine.requests[0].body
    assert body["response_format"] == SCHEMA
    assert "Community-acquired pneumonia" in body["messages"][1]["content"]
    assert drawn(version) == 0
    assert version.criteria.count() == 4
    with pytest.raises(Refused, match="No physician wrote"):
        rubrics.publish(version=version, by=physician)
    assert rubrics.publish(version=version, by=physician, read=True).published_by == physician


def test_a_case_deleted_meanwhile_is_not_sent(physician, sent, model, django_capture_on_commit_callbacks):
    engine = model(reply())
    version = asked(physician, sent, django_capture_on_commit_callbacks)
    cases.delete(case=version.rubric.case, by=None)
    assert drawn(version) == 0
    assert engine.requests == []
    assert version.source["state"] == "failed"
    assert "was deleted" in version.source["error"]


def test_without_a_model_it_is_said(physician, settings):
    settings.JUDGE_URL = ""
    with pytest.raises(Refused, match="JUDGE_URL is not set"):
        rubric_drafts.by_model(by=physician, title="T", case=make_case())
    settings.JUDGE_URL, settings.JUDGE_MODEL = "http://127.0.0.1:9", ""
    with pytest.raises(Refused, match="JUDGE_MODEL"):
        rubric_drafts.by_model(by=physician, title="T", case=make_case())
    assert not RubricVersion.objects.exists()


def test_no_nul_reaches_the_database(physician, sent, model, django_capture_on_commit_callbacks):
    model(reply(text="Asks about\0 the cough.", why="The\0 record."))
    version = asked(physician, sent, django_capture_on_commit_callbacks)
    assert drawn(version) == 4
    first = version.criteria.first()
    assert (first.text, first.guideline) == ("Asks about the cough.", "The record.")
    fields = {"text": "Orders\0 an ECG.", "guideline": "\0", "examples": [{"text": "E\0CG", "verdict": "met"}]}
    row = rubric_criteria.add(version=version, by=physician, fields=fields)
    assert (row.text, row.guideline, row.examples[0]["text"]) == ("Orders an ECG.", "", "ECG")


@pytest.mark.parametrize(
    "said", ["No.", reply(2), reply(points=0), reply(points=2.5), reply(points=float("inf")), reply(mood="good")]
)
def test_an_unreadable_reply_is_no_draft(said, physician, sent, model, django_capture_on_commit_callbacks):
    model(said, said, said)
    version = asked(physician, sent, django_capture_on_commit_callbacks)
    assert drawn(version) == 0
    assert version.source["state"] == "failed"
    assert "no readable rubric in 3 tries" in version.source["error"]
    assert not version.criteria.exists()


def test_a_server_that_refuses_is_said_and_asked_again(
    physician, sent, model, client, django_capture_on_commit_callbacks
):
    model(reply(), faults=[Fault("http_400")])
    version = asked(physician, sent, django_capture_on_commit_callbacks)
    assert drawn(version) == 0
    assert version.source["error"].startswith("The model refused")
    client.force_login(physician, backend="clinic.accounts.ClinicBackend")
    page = client.get(reverse("rubric", args=[version.pk]))
    assert b"The model refused" in page.content
    with django_capture_on_commit_callbacks(execute=True):
        client.post(reverse("rubric_do", args=[version.pk]), {"do": "ask"})
    assert len(sent) == 2
    assert drawn(version) == 4


def test_what_was_begun_by_hand_is_left_alone(physician, sent, model, django_capture_on_commit_callbacks):
    model(reply())
    version = asked(physician, sent, django_capture_on_commit_callbacks)
    rubric_criteria.add(version=version, by=physician, fields={"text": "Mine.", "points": 2})
    assert drawn(version) == 0
    assert "left aside" in version.source["error"]
    assert version.criteria.get().text == "Mine."


@pytest.mark.parametrize("case", [{"kind": CaseKind.PATIENT}, {"credentialed": True}])
def test_closed_words_leave_for_no_other_machine(case, physician, sent, settings, django_capture_on_commit_callbacks):
    settings.JUDGE_URL, settings.JUDGE_MODEL = "http://judge.example.org/v1", "m"
    version = asked(physician, sent, django_capture_on_commit_callbacks, **case)
    assert drawn(version) == 0
    assert "Nothing was sent" in version.source["error"]
    assert AuditEntry.objects.filter(action="credentialed.refused").count() == 1


def test_the_state_is_on_the_page(physician, sent, model, client, django_capture_on_commit_callbacks):
    model(reply())
    version = asked(physician, sent, django_capture_on_commit_callbacks)
    client.force_login(physician, backend="clinic.accounts.ClinicBackend")
    state = reverse("rubric_state", args=[version.pk])
    waiting = client.get(state)
    assert b"is drafting" in waiting.content
    assert "HX-Refresh" not in waiting
    drawn(version)
    assert client.get(state)["HX-Refresh"] == "true"
    old = {**version.source, "state": "waiting", "asked_at": "2020-01-01T00:00:00+00:00"}
    RubricVersion.objects.filter(pk=version.pk).update(source=old)
    assert b"never came" in client.get(state).content


@pytest.mark.parametrize(
    "text",
    ["[]", '{"criteria": 3}', '{"criteria": [], "more": 1}', f"{reply()} ok", f"```{reply()}```"],
)
def test_replies_are_read_exactly(text):
    with pytest.raises(Unusable):
        parse(Completion(text, "stop"))
    with pytest.raises(Unusable, match="cut off"):
        parse(Completion(reply(), "length"))
    assert len(parse(Completion(reply(), "stop"))) == 4


def test_a_draft_by_rules(physician):
    case = make_case(answer="Community-acquired pneumonia")
    version = rubric_drafts.by_rules(by=physician, title="T", scope=RubricScope.CASE, case=case)
    assert (version.origin, version.status, version.source["kind"]) == (RubricOrigin.GENERATED, "writing", "rules")
    assert "Names" in version.criteria.first().text
    assert all(row.rule for row in version.criteria.all())
    with pytest.raises(Refused, match="no entry"):
        rubric_drafts.by_rules(by=physician, title="T", scope=RubricScope.CASE, case=make_case(answer="Ennui"))
    group = rubric_drafts.by_rules(by=physician, title="T", scope=RubricScope.COMPLAINT, group="chest_pain")
    assert group.criteria.filter(axis="safety").count() >= 4


@pytest.mark.parametrize("rows", [draft_for_condition("pe"), draft_for_group("chest_pain")])
def test_the_knowledges_drafts_pass_the_check(rows):
    found = lint([Criterion(str(n), row.text, row.points, rule=row.rule) for n, row in enumerate(rows)])
    assert [problem for problem in found if problem.serious] == []


def test_nothing_is_asked_inside_the_request(physician, sent, settings):
    """The worker asks, after the commit."""
    settings.JUDGE_URL, settings.JUDGE_MODEL = "http://127.0.0.1:9", "m"
    rubric_drafts.by_model(by=physician, title="T", case=make_case())
    assert sent == []
    assert len(connection.run_on_commit) == 1
