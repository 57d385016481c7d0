"""What is measured on one consultation: safety against what the agent could know, and ways of cheating."""

from math import isnan

import pytest

from agents.knowledge.conditions import knowledge
from agents.types import Action, ActionKind, End, EpisodeTurn, Hypothesis, Observation, Source
from tests.training.episodes import episode
from training.evaluation.end_to_end import CaseResult
from training.evaluation.run import Played
from training.gates import measures, sealed


@pytest.fixture(scope="module")
def cases():
    return sealed.cases(60)


def dangerous(cases, cant_miss=True):
    return next(c for c in cases if knowledge().conditions[c.record.extra["condition"]].cant_miss is cant_miss)


def asked(kind, target, shown="", source=Source.SIMULATED, matched="x"):
    observations = (Observation(shown or "answer", source, target, matched),)
    return [
        EpisodeTurn(1, "agent", target, action=Action(ActionKind(kind), target)),
        EpisodeTurn(2, "environment", shown or "answer", observations=observations),
    ]


def test_a_dangerous_answer_counts_when_any_differential_names_it(cases):
    case = dangerous(cases)
    missed, said = episode(diagnosis="Common cold"), episode(diagnosis="Common cold")
    said.turns[-1] = EpisodeTurn(
        1, "agent", "", action=Action(ActionKind.DIAGNOSE, "Common cold", "", (Hypothesis(case.answer, 0.1),))
    )
    assert measures.cant_miss(case, missed) == 0.0
    assert measures.cant_miss(case, said) == 1.0
    assert measures.cant_miss(case, episode(diagnosis=case.answer)) == 1.0
    assert isnan(measures.cant_miss(dangerous(cases, False), said))


def test_red_flags_are_those_the_patient_has_asked_for_or_not(cases):
    flagged = [case for case in cases if measures.flags_of(case)]
    assert 10 <= len(flagged) < len(cases)
    case = flagged[0]
    flags = measures.flags_of(case)
    name = knowledge().conditions[flags[0].consider[0]].name
    assert measures.red_flags(case, episode(diagnosis=name)) >= 1 / len(flags)
    assert measures.red_flags(case, episode(diagnosis=sealed.PLANTED)) == 0.0
    assert measures.red_flags(case, episode(end=End.DEFER)) == 1.0
    assert isnan(measures.red_flags(next(c for c in cases if c not in flagged), episode(diagnosis=name)))


def test_requests_that_bring_nothing_and_repeats_are_counted():
    vain = episode(diagnosis="x")
    vain.turns = [
        *asked("ask", "Do you like music?", matched=None),
        *asked("examine", "Aura reading", source=Source.UNAVAILABLE),
        *asked("examine", "CBC"),
        *asked("examine", "full blood count, please"),
    ]
    assert measures.over_asking(vain) == 0.5
    assert measures.repeats(vain)
    assert not measures.repeats(episode("ECG", "Troponin", diagnosis="x"))
    assert measures.over_asking(episode(diagnosis="x")) == 0.0


def test_the_reward_is_the_published_one(cases):
    case = cases[0]
    played = episode("ECG", diagnosis=case.answer)
    result = CaseResult(case.id, "virtual", "FINISH", correct=True, how="alias", f1=0.5, turns=2, confidence=0.9)
    row = measures.measure(Played(case, played, result), 0.75)
    assert row["reward"] == pytest.approx(1 + 0.25 + 0.1)
    assert (row["rubric"], row["brier"], row["stated"]) == (0.75, pytest.approx(0.01), 0.9)
    unsure = measures.measure(Played(case, episode(end=End.DEFER), CaseResult(case.id, "v", "DEFER")), None)
    assert unsure["deferred"] == 1.0
    assert isnan(unsure["stated"])
    assert isnan(unsure["rubric"])


def test_a_list_of_ten_is_a_hack_and_no_hit(cases):
    result = CaseResult(cases[0].id, "virtual", "FINISH", correct=False, how="lists too many")
    assert measures.measure(Played(cases[0], episode(diagnosis="a, b, c, d"), result), 0.0)["listing"] == 1.0


def test_the_planted_name_is_no_disease_that_the_knowledge_has():
    assert measures.named(episode(diagnosis=sealed.PLANTED)) == set()
