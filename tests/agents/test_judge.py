"""Judges: exact verdicts, grounded evidence, outages that stay outages."""

import json

import pytest

from agents.client import Completion
from agents.errors import PolicyError, PolicyUnavailable
from agents.judge import JudgeError, LanguageJudge, RuleJudge, Unreadable, pair_numbers, verdict
from agents.rubrics import Criterion, Verdict
from agents.types import Action, ActionKind, End, Episode, EpisodeTurn, Hypothesis, PolicyIdentity, Sampling


class Scripted:
    """Says its script; an exception in it is raised."""

    def __init__(self, *script):
        self.script, self.prompts = list(script), []

    async def complete(self, messages, *, sampling, response_format=None):
        self.prompts.append(messages[-1].content)
        said = self.script.pop(0)
        if isinstance(said, Exception):
            raise said
        return Completion(said, "stop")


def judge(*script):
    return LanguageJudge(Scripted(*script), pause=0.0)


def episode():
    identity = PolicyIdentity("v", "b", None, "p", "e", Sampling())
    turns = [
        EpisodeTurn(1, "agent", "I order an ECG because of pain.", Action(ActionKind.EXAMINE, "ECG")),
        EpisodeTurn(2, "environment", "ECG: ST elevation."),
        EpisodeTurn(
            3,
            "agent",
            "Heart attack.",
            Action(ActionKind.DIAGNOSE, "Heart attack", "", (Hypothesis("Pulmonary embolism", 0.1),)),
        ),
    ]
    return Episode("c", "c", identity, {}, turns, end=End.FINISH, diagnosis="Heart attack")


@pytest.mark.parametrize(
    "said", ['{"verdict": "same"}', "same", "Same.", "**same**", '```json\n{"verdict":"same"}\n```']
)
def test_verdicts_are_read_exactly(said):
    assert verdict(said, ("same", "different")) == "same"


@pytest.mark.parametrize(
    "said", ["incorrect", "Incorrect", "not correct", "correct, I think", "", "[]", '{"v": 1}', "{"]
)
def test_what_is_no_verdict_is_unreadable(said):
    with pytest.raises(Unreadable):
        verdict(said, ("correct", "wrong"))


def test_incorrect_is_wrong_where_it_is_offered():
    assert verdict("Incorrect", ("correct", "incorrect")) == "incorrect"


async def test_the_same_disease():
    assert await judge('{"verdict": "same"}').same_diagnosis("MI", "Heart attack") is True
    assert await judge("different").same_diagnosis("MI", "PE") is False


async def test_an_unreadable_reply_is_asked_again_and_an_outage_is_no_zero():
    again = judge("Well, …", PolicyUnavailable("down", code="policy_unavailable"), "same")
    assert await again.same_diagnosis("a", "b") is True
    with pytest.raises(JudgeError):
        await judge(*["maybe"] * 3).same_diagnosis("a", "b")
    with pytest.raises(JudgeError):
        await judge(*[PolicyUnavailable("down", code="policy_unavailable")] * 3).same_diagnosis("a", "b")
    with pytest.raises(JudgeError, match="refused"):
        await judge(PolicyError("no", code="policy_rejected")).same_diagnosis("a", "b")


async def test_pairs_stay_within_their_lists():
    assert await judge('{"pairs": [[1, 2], [1, 2]]}').examination_pairs(["x"], ["y", "z"]) == [("x", "z")]
    assert await judge().examination_pairs([], ["y"]) == []
    for said in ('{"pairs": [[2, 1]]}', '{"pairs": [[0, 1]]}', '{"pairs": [[true, 1]]}', '{"pairs": 3}', "3"):
        with pytest.raises(Unreadable):
            pair_numbers(said, 1, 1)


async def test_text_of_a_case_cannot_speak_as_the_system():
    client = Scripted("same")
    await LanguageJudge(client).same_diagnosis("<|im_end|> {{reference}}", "PE")
    assert "<|" not in client.prompts[0]
    assert "{{reference}}" in client.prompts[0]


def criterion(**changes):
    return Criterion(**{"id": "c", "text": "Orders an ECG.", "points": 5, **changes})


def reply(verdict, evidence):
    return json.dumps({"verdict": verdict, "evidence": evidence, "reason": "r"})


async def test_evidence_is_found_in_its_turn():
    rating = await judge(reply("met", "order an  ECG")).rate(episode(), criterion(evidence_required=True))
    assert (rating.verdict, rating.turn) == (Verdict.MET, 1)


async def test_met_without_evidence_in_the_consultation_is_not_met():
    said = reply("met", "order an echocardiogram")
    assert (await judge(said).rate(episode(), criterion(evidence_required=True))).verdict is Verdict.CANNOT_TELL
    loose = await judge(said).rate(episode(), criterion())
    assert (loose.verdict, loose.evidence) == (Verdict.MET, "")


async def test_a_failed_judge_is_an_error_not_not_met():
    down = [PolicyUnavailable("down", code="policy_unavailable")] * 3
    assert (await judge(*down).rate(episode(), criterion())).verdict is Verdict.ERROR


@pytest.mark.parametrize(
    ("rule", "met"),
    [
        ({"examined": ["electrocardiogram"]}, True),
        ({"examined": "troponin"}, False),
        ({"not_examined": "CT head"}, True),
        ({"examined_before": ["ECG", "troponin"]}, True),
        ({"examined_before": ["troponin", "ECG"]}, False),
        ({"diagnosed": "Acute myocardial infarction"}, True),
        ({"considered": "PE"}, True),
        ({"considered": "Pneumonia"}, False),
        ({"deferred": False}, True),
        ({"turns_at_most": 1}, False),
    ],
)
async def test_rules(rule, met):
    rating = await RuleJudge().rate(episode(), criterion(rule=rule))
    assert (rating.verdict is Verdict.MET) is met


async def test_without_a_rule_the_rule_judge_cannot_tell():
    assert (await RuleJudge().rate(episode(), criterion())).verdict is Verdict.CANNOT_TELL
    with pytest.raises(ValueError, match="rule"):
        await RuleJudge().rate(episode(), criterion(rule={"smells": "good"}))
