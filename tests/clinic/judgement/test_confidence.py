"""Confidence in words: consistent, supported, doubtful, or not enough information; an outage is none of these."""

import asyncio
import threading
from contextlib import contextmanager

import pytest

from agents.codecs import StructuredCodec
from agents.types import Action, ActionKind, Hypothesis
from clinic.confidence import confidence_of
from clinic.facts import facts_of
from clinic.models import DraftStatus, Finding, TurnDrafts
from clinic.services import confidence
from clinic.services.errors import Refused
from tests.clinic import factories as make
from tests.doubles.engine import FakeEngine

pytestmark = pytest.mark.django_db
PE = {
    "action": "examine",
    "target": "D-dimer",
    "differential": [{"diagnosis": "Pulmonary embolism", "probability": 0.6}],
}
GERD = {"action": "examine", "target": "ECG", "differential": [{"diagnosis": "GERD", "probability": 0.6}]}


def known(*codes: str):
    case = make.make_case(complaint="Chest pain", history={}, age_years=44.0, sex="female")
    rows = [Finding.objects.create(case=case, source="entered", name=c, code=c, state="present") for c in codes]
    return facts_of(make.make_consultation(case=case), rows, [])


def drafts(*actions, failed: int = 0, status: str = DraftStatus.DONE) -> TurnDrafts:
    return TurnDrafts(
        wanted=4, drafts=[{"seed": 1, "action": action} for action in actions], failed=failed, status=status
    )


SUPPORT = ("chest_pain", "dyspnea", "pleuritic_pain", "leg_swelling_unilateral", "vte_history")


@pytest.mark.parametrize(
    ("codes", "given", "words"),
    [
        (SUPPORT, drafts(PE, PE, PE, PE), "Well supported and consistent"),
        (SUPPORT, drafts(PE, GERD, PE, GERD), "Supported, with doubts"),
        (SUPPORT, drafts(GERD, GERD, GERD, GERD), "Not enough information"),
        (SUPPORT, None, "Supported; consistency not checked"),
        (("chest_pain",), drafts(PE, PE, PE, PE), "Not enough information"),
    ],
)
def test_words_follow_consistency_and_evidence(codes, given, words):
    assert confidence_of(known(*codes), PE, given).words == words


def test_the_share_counts_the_answer_that_was_shown_and_only_what_could_be_read():
    consistency = confidence_of(known(*SUPPORT), PE, drafts(PE, GERD, failed=2)).consistency
    assert (consistency.agreeing, consistency.asked, consistency.failed) == (2, 3, 2)


def test_outside_the_knowledge_it_cannot_be_judged():
    strange = {"action": "diagnose", "target": "Blue toenail syndrome", "differential": []}
    assert confidence_of(known(*SUPPORT), strange, None).words.startswith("Cannot be judged")


def test_what_is_missing_is_named():
    assert confidence_of(known("chest_pain"), PE, None).missing


ANSWER = StructuredCodec().encode(Action(ActionKind.EXAMINE, "D-dimer", "Breathless", (Hypothesis("PE", 0.6),)))


@pytest.mark.django_db(transaction=True)
def test_drafts_are_drawn_once_and_kept(monkeypatch):
    """The drawing runs where no event loop is, as it does in the worker; the engine has a thread of its own."""
    monkeypatch.setattr("clinic.services.dispatch.draft", lambda turn: None)
    with served(FakeEngine(script=[ANSWER] * 8)) as engine:
        held = make.make_consultation(endpoint=make.make_serving_agent(url=engine.url, model_name=engine.model))
        turn = make.make_turn(held, role="agent", status="complete", action=PE)
        confidence.ask_again(consultation=held, by=held.clinician, wanted=3)
        assert confidence.draw(turn.pk) == 3
        assert confidence.draw(turn.pk) == 3
        assert len(engine.requests) == 3
        assert {said.body["priority"] for said in engine.requests} == {confidence.BEHIND}
    row = TurnDrafts.objects.get()
    assert row.status == DraftStatus.DONE
    assert [draft["action"]["target"] for draft in row.drafts] == ["D-dimer"] * 3


@contextmanager
def served(engine):
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    asyncio.run_coroutine_threadsafe(engine.start(), loop).result(10)
    try:
        yield engine
    finally:
        asyncio.run_coroutine_threadsafe(engine.stop(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(5)


@pytest.mark.django_db(transaction=True)
def test_an_outage_is_a_failure_and_never_a_draft(monkeypatch):
    monkeypatch.setattr("clinic.services.dispatch.draft", lambda turn: None)
    held = make.make_consultation(endpoint=make.make_serving_agent())
    turn = make.make_turn(held, role="agent", status="complete", action=PE)
    confidence.ask_again(consultation=held, by=held.clinician, wanted=2)
    assert confidence.draw(turn.pk) == 0
    row = TurnDrafts.objects.get()
    assert (row.status, row.drafts, row.failed) == (DraftStatus.FAILED, [], 2)


def test_only_who_holds_the_consultation_asks_again():
    held = make.make_consultation()
    make.make_turn(held, role="agent", status="complete", action=PE)
    with pytest.raises(Refused):
        confidence.ask_again(consultation=held, by=make.make_user(site=held.site))


@pytest.mark.django_db(transaction=True)
def test_further_answers_keep_the_rules(monkeypatch):
    """Or the panel would count the very diagnoses that were not to be named."""
    monkeypatch.setattr("clinic.services.dispatch.draft", lambda turn: None)
    script = ["diagnose: Migraine | it fits | Migraine 90 L", " Migraine | not covered | Migraine 87 L"]
    with served(FakeEngine(script=script)) as engine:
        version = make.make_version(codec="cards")
        endpoint = make.make_endpoint(version=version, url=engine.url, model_name=engine.model)
        case = make.make_case(complaint="Blocked ear", history={"hpi": "The ear feels full after swimming."})
        held = make.make_consultation(case=case, endpoint=endpoint)
        turn = make.make_turn(held, role="agent", status="complete", action=PE)
        confidence.ask_again(consultation=held, by=held.clinician, wanted=1)
        assert confidence.draw(turn.pk) == 1
    (draft,) = TurnDrafts.objects.get().drafts
    assert (draft["action"]["action"], draft["action"]["differential"]) == ("defer", [])
    assert "Migraine" not in draft["action"]["target"]
