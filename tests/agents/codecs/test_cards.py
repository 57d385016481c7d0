"""The codec with cards: messages only grow, cards come from words alone, panels say what is abnormal."""

import re

import pytest

from agents.codecs import BriefCodec, CardsCodec, by_name
from agents.codecs import cards as module
from agents.codecs.cards import facts_after
from agents.matching.names import key, tokens
from agents.types import (
    Action,
    ActionKind,
    Exchange,
    Hypothesis,
    Inquiry,
    MalformedAction,
    Observation,
    Source,
    Value,
)
from agents.world.virtual import case_id, open_case

CODEC = CardsCodec()
EXAMS = ("cbc", "vital_signs", "chest_xray", "abdominal_examination", "ecg")
ACTION = Action(ActionKind.EXAMINE, "D-dimer", "pleuritic pain", (Hypothesis("Pulmonary embolism", 0.42),))
INQUIRY = Inquiry(62, "female", "Chest pain", {"hpi": "Sudden pleuritic chest pain. Recent surgery. No fever."})


def consultation(number):
    case = open_case(case_id("train", number))
    replies = [case.perform(exam).observation for exam in EXAMS]
    replies.append(case.ask("any fever?").observation)
    said = CODEC.encode(ACTION)
    return case, [Exchange(said, CODEC.reply([reply])) for reply in replies]


def cards_of(message):
    return message.content.rpartition("\nCards: ")[2]


def test_it_is_found_by_name_and_is_not_the_brief_one():
    assert by_name("cards").name == "cards"
    assert by_name("cards").digest != by_name("brief").digest


def test_its_digest_changes_with_what_cards_are_ranked_by(monkeypatch):
    before = CODEC.digest
    monkeypatch.setattr(module, "WEIGHTS", "other weights")
    assert CODEC.digest != before


@pytest.mark.parametrize("number", [50_000, 50_001, 50_002])
def test_messages_only_grow(number):
    case, exchanges = consultation(number)
    whole = CODEC.messages(case.inquiry(), exchanges)
    for n in range(len(exchanges)):
        assert CODEC.messages(case.inquiry(), exchanges[:n]) == whole[: 2 + 2 * n]


def test_a_forced_end_adds_to_the_last_message_only():
    case, exchanges = consultation(50_003)
    free = CODEC.messages(case.inquiry(), exchanges)
    forced = CODEC.messages(case.inquiry(), exchanges, force_final=True)
    assert forced[:-1] == free[:-1]
    assert forced[-1].content.startswith(free[-1].content)
    assert "defer" in forced[-1].content.removeprefix(free[-1].content)


def test_actions_are_the_brief_form():
    assert CODEC.encode(ACTION) == BriefCodec().encode(ACTION)
    assert CODEC.parse(CODEC.encode(ACTION)) == ACTION
    with pytest.raises(MalformedAction):
        CODEC.parse("examine everything")


def test_the_inquiry_brings_up_cards_that_fit():
    message = CODEC.messages(INQUIRY, [])[1]
    names = [found[1] for found in re.finditer(r"(?:^|; )([^;()]+?) \d+(?= \(|;|$)", cards_of(message))]
    assert len(names) == module.AT_FIRST
    assert "Pulmonary embolism" in names[:2]


def test_a_result_moves_the_cards():
    scan = Observation("Filling defect in the right main pulmonary artery.", Source.RECORDED, matched="CTPA")
    after = CODEC.messages(INQUIRY, [Exchange(CODEC.encode(ACTION), CODEC.reply([scan]))])[-1]
    assert cards_of(after).startswith("Pulmonary embolism")
    assert facts_after(INQUIRY, [Exchange("", CODEC.reply([scan]))]).results == {"ctpa": "pulmonary_embolus"}


def test_nothing_understood_brings_up_nothing():
    assert cards_of(CODEC.messages(Inquiry(30, "male", "Wants a certificate"), [])[1]) == module.NONE


@pytest.mark.parametrize("number", range(50_010, 50_030))
def test_the_diagnosis_reaches_the_prompt_through_cards_alone(number):
    """The same words make the same prompt, and without cards they do not name the condition."""
    case, exchanges = consultation(number)
    told = Inquiry(case.patient.age, case.patient.sex, case.complaint, {"hpi": case.opening.observation.text})
    assert CODEC.messages(told, exchanges) == CODEC.messages(case.inquiry(), exchanges)
    plain = [message.content.rpartition("\nCards: ")[0] for message in CODEC.messages(told, [])[1:]]
    words = key(tokens(" ".join(plain)))
    assert key(tokens(case.patient.condition.name)) not in words


def test_an_answer_hides_what_the_world_took_the_question_for():
    case = open_case(case_id("train", 50_000))
    answer = case.ask("Have you lost weight?").observation
    assert answer.matched == "weight_loss"
    assert CODEC.reply([answer]) == answer.text


def test_of_a_panel_only_what_is_abnormal_is_said():
    texts = [CODEC.reply([open_case(case_id("train", n)).perform("cbc").observation]) for n in range(50_000, 50_020)]
    assert all(len(text) < 220 for text in texts)
    assert {"Complete blood count: normal"} & set(texts)
    assert any("low haemoglobin" in text and text.endswith("others normal") for text in texts)


def test_what_a_record_leaves_out_is_not_called_normal():
    sodium = Value("sodium", 122.0, "mmol/L", "L", "Sodium", 136, 145)
    panel = Observation("Sodium: 122 mmol/L", Source.RECORDED, matched="Basic metabolic panel", values=(sodium,))
    reply = CODEC.reply([panel])
    assert reply == "Basic metabolic panel: Sodium: 122 mmol/L"
    facts = facts_after(INQUIRY, [Exchange("", reply)])
    assert facts.levels == {"sodium": -2}


def test_what_cannot_be_had_is_said_and_is_no_finding():
    missing = Observation("Not in this record.", Source.UNAVAILABLE, request="CT head", matched="CT head")
    reply = CODEC.reply([missing])
    assert reply == "CT head: Not in this record."
    assert facts_after(INQUIRY, [Exchange("", reply)]).results == {}


def test_a_clinicians_own_words_are_read():
    reply = CODEC.reply([], note="Calf is swollen and tender. No haemoptysis.")
    facts = facts_after(INQUIRY, [Exchange(CODEC.encode(ACTION), reply)])
    assert facts.findings["hemoptysis"] is False
