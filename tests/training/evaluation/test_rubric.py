"""The rubric protocol."""

import pytest

from agents.judge import RuleJudge
from agents.rubrics import Criterion, Rating, Verdict
from agents.types import CaseRecord, End
from tests.training.episodes import episode
from training.evaluation.cases import record_case, virtual_case
from training.evaluation.rubric import criteria_of, rate, summarise

CASE = record_case(CaseRecord("r", "t", 50, "female", "Pain", answer="Appendicitis"), "x")
WEIGHTS = {"a": 10, "b": 9, "c": 5}
RUBRIC = [Criterion(name, f"Does {name}.", points) for name, points in WEIGHTS.items()]


class Fixed:
    def __init__(self, **verdicts):
        self.verdicts = verdicts

    async def rate(self, episode, criterion):
        return Rating(criterion.id, Verdict(self.verdicts[criterion.id]), "words", 1)


async def test_19_of_24():
    got = await rate(episode(diagnosis="x"), RUBRIC, CASE, Fixed(a="met", b="met", c="not_met"))
    assert (got.value, got.published, got.coverage) == (pytest.approx(19 / 24), pytest.approx(19 / 24), 1.0)
    assert got.as_dict()["ratings"][0] == {
        "criterion": "a", "verdict": "met", "evidence": "words", "turn": 1, "reason": "",
    }  # fmt: skip


async def test_the_benchmark_score_is_the_mean_over_cases():
    good = await rate(episode(diagnosis="x"), RUBRIC, CASE, Fixed(a="met", b="met", c="met"))
    bad = await rate(episode(diagnosis="x"), RUBRIC, CASE, Fixed(a="not_met", b="not_met", c="not_met"))
    none = await rate(episode(diagnosis="x"), RUBRIC, CASE, Fixed(a="error", b="error", c="error"))
    got = summarise([good, bad, none])
    assert (got["rubric"], got["scored"], got["excluded"]) == (0.5, 2, ["r"])
    assert got["coverage"] == pytest.approx(2 / 3)


async def test_a_failed_episode_is_not_judged():
    got = await rate(episode(end=End.ENV_ERROR), RUBRIC, CASE, Fixed())
    assert (got.value, got.error) == (None, "policy_unavailable: down")
    assert summarise([got])["errors"] == 1


async def test_signed_rubrics_have_no_published_score():
    signed = [*RUBRIC, Criterion("n", "Harms.", -5)]
    got = await rate(episode(diagnosis="x"), signed, CASE, Fixed(a="met", b="met", c="met", n="met"))
    assert (got.value, got.published) == (pytest.approx(19 / 24), None)


def test_a_records_own_rubric():
    rows = [{"text": "Orders an ECG.", "points": 4}]
    record = CaseRecord("r", "t", 50, "female", "Pain", answer="x", extra={"criteria": rows})
    assert [(c.id, c.points) for c in criteria_of(record_case(record, "x"))] == [("1", 4)]
    assert criteria_of(CASE) == []


async def test_virtual_cases_have_rules():
    case = virtual_case("virtual:test:0001")
    criteria = criteria_of(case)
    right = await rate(episode(diagnosis=case.answer), criteria, case, RuleJudge())
    wrong = await rate(episode(diagnosis="Gout of the big toe"), criteria, case, RuleJudge())
    assert right.coverage == 1.0
    assert right.value > wrong.value
