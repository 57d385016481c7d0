"""Single-turn prompts are leak-free, and hits are counted over all turns."""

import copy

import pytest

from agents.codecs import DialectCodec, StructuredCodec
from agents.types import Action, ActionKind, CaseRecord, Hypothesis, RecordedResult
from training.evaluation.cases import case_set, record_case
from training.evaluation.policies import GreedyOracle, RandomPlayer
from training.evaluation.single_turn import (
    SingleTurnResult,
    Step,
    Trajectory,
    TurnResult,
    leaks,
    play,
    prompt,
    summarise,
    trajectory,
)

RECORD = CaseRecord(
    "r1", "test", 70, "male", "Chest pain", {"hpi": "Since today."},
    (RecordedResult("ECG", "ST elevation"), RecordedResult("Troponin", "High")), "Acute myocardial infarction",
)  # fmt: skip
CASE = record_case(RECORD, "x")
FORCED = ("Order one more examination now", "Give the diagnosis now")


@pytest.mark.parametrize("codec", [StructuredCodec(), DialectCodec()])
async def test_the_answer_is_in_no_prompt_and_the_forcing_sentence_once(codec):
    told = await trajectory(CASE)
    for stop in range(len(told.steps) + 1):
        for diagnose, sentence in ((False, FORCED[0]), (True, FORCED[1])):
            messages = prompt(told, stop, codec, diagnose=diagnose)
            text = "\n".join(message.content for message in messages)
            assert text.count(sentence) == 1
            assert messages[-1].role == "user"
            assert messages[-1].content.count(sentence) == 1
            assert "infarction" not in text.lower()
            assert sum(message.role == "assistant" for message in messages) == stop
            assert leaks(messages, CASE) is None


async def test_prompts_share_nothing():
    told = await trajectory(CASE)
    before = copy.deepcopy(prompt(told, 1, StructuredCodec(), diagnose=False))
    for stop in (2, 0, 1):
        prompt(told, stop, StructuredCodec(), diagnose=True)
    assert prompt(told, 1, StructuredCodec(), diagnose=False) == before


def test_a_working_diagnosis_of_the_reference_is_not_shown():
    working = (Hypothesis("Acute myocardial infarction", 0.97),)
    told = Trajectory(RECORD.inquiry(), (Step(Action(ActionKind.EXAMINE, "ECG", "Infarction?", working), ()),))
    for codec in (StructuredCodec(), DialectCodec()):
        assert leaks(prompt(told, 1, codec, diagnose=True), CASE) is None


def test_the_leak_check_finds_a_leak():
    codec = StructuredCodec()
    messages = prompt(Trajectory(RECORD.inquiry(), ()), 0, codec, diagnose=True)
    final = codec.encode(Action(ActionKind.DIAGNOSE, "Heart attack", "ok", (Hypothesis("Heart attack", 0.9),)))
    assert leaks([*messages[:1], type(messages[0])("assistant", final), *messages[1:]], CASE)


async def test_virtual_prompts_do_not_leak():
    for case in case_set("virtual:test", limit=4):
        told = await trajectory(case)
        assert leaks(prompt(told, len(told.steps), StructuredCodec(), diagnose=True), case) is None


async def test_the_oracle_hits_its_own_trajectory_and_random_does_not():
    case = case_set("virtual:test:0001")[0]
    oracle, chance = await play(case, GreedyOracle()), await play(case, RandomPlayer(seed=3))
    assert oracle.error is chance.error is None
    assert all(turn.hit_remaining for turn in oracle.turns)
    assert oracle.turns
    assert sum(turn.hit for turn in chance.turns) < len(chance.turns)


def test_denominators_are_all_turns():
    turns = (
        TurnResult(0, "ECG", hit=True, hit_remaining=True),
        TurnResult(1, "ECG", hit=True, repeat=True),
        TurnResult(2, "", malformed=True),
        TurnResult(3, "PE", diagnosed=True),
    )
    got = summarise([SingleTurnResult("a", "x", turns, True), SingleTurnResult("b", "x", error="down")])
    assert (got["n"], got["scored"], got["turns"]) == (2, 1, 4)
    assert (got["hit_ratio"], got["hit_remaining"], got["hit_new"]) == (0.5, 0.25, 0.25)
    assert (got["malformed"], got["diagnosed_early"], got["accuracy"]) == (0.25, 0.25, 1.0)
    assert got["ci"]["hit_ratio"] == (0.5, 0.5)


def test_nothing_scored_is_no_zero():
    got = summarise([SingleTurnResult("b", "x", error="down")])
    assert (got["hit_ratio"], got["accuracy"], got["ci"]["hit_ratio"]) == (None, None, None)
