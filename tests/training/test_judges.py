"""Judges of a deployment: none by default, whole settings only, kept with the evaluation, an outage never a score."""

from __future__ import annotations

import pytest
from asgiref.sync import sync_to_async

from agents.client import PolicyClient
from agents.codecs import StructuredCodec
from agents.judge import LanguageJudge, RulesFirst
from agents.rubrics import Criterion, Verdict
from agents.types import Action, ActionKind, CaseRecord, Hypothesis
from clinic.services.errors import Refused
from tests.clinic import factories as make
from tests.doubles.engine import FakeEngine
from tests.training.episodes import episode
from training import judges, services
from training.case_sets import CaseSet
from training.evaluation.cases import record_case
from training.models import EvaluatedEpisode, Evaluation
from training.opponents import opponent
from training.services import Unscored, Wanted

RUBRIC = {"criteria": [{"text": "Asks about smoking.", "points": 4}, {"text": "Orders an ECG.", "points": 6}]}
ODD = StructuredCodec().encode(
    Action(ActionKind.DIAGNOSE, "Morbus Heberden", "It fits.", (Hypothesis("Morbus Heberden", 0.5),))
)
"""A name that is spelled like nothing in the table."""


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch, settings):
    monkeypatch.setenv("ROUNDS_HOME", str(tmp_path))
    settings.JUDGE_URL = settings.GATE_JUDGE_URL = ""
    return tmp_path


def test_none_is_the_default():
    assert (judges.of_evaluations(), judges.of_gates()) == (None, None)


def test_half_a_setting_is_refused(settings):
    settings.JUDGE_URL = "http://127.0.0.1:9/v1"
    settings.JUDGE_MODEL = ""
    with pytest.raises(Refused, match="JUDGE_MODEL"):
        judges.of_evaluations()


def test_the_gate_has_a_judge_of_its_own(settings):
    settings.JUDGE_URL = settings.GATE_JUDGE_URL = "http://127.0.0.1:9/v1"
    settings.JUDGE_MODEL = settings.GATE_JUDGE_MODEL = "teacher"
    with pytest.raises(Refused, match="same model"):
        judges.of_gates()
    settings.GATE_JUDGE_MODEL = "examiner"
    assert judges.of_gates().identity["model"] == "examiner"


async def test_rules_go_first():
    async with FakeEngine(script=['{"verdict": "met", "evidence": "", "reason": "so"}']) as engine:
        client = PolicyClient(engine.url, engine.model)
        judge = RulesFirst(LanguageJudge(client, model="m"))
        played = episode("ECG", diagnosis="Flu")
        ruled = await judge.rate(played, Criterion("a", "Orders an ECG.", 5, rule={"examined": "ECG"}))
        assert (ruled.verdict, len(engine.requests)) == (Verdict.MET, 0)
        asked = await judge.rate(played, Criterion("b", "Is kind.", 5))
        assert (asked.verdict, asked.reason, len(engine.requests)) == (Verdict.MET, "so", 1)
        await client.close()


@pytest.fixture
def play(monkeypatch):
    """One evaluation of a scripted policy on one record with a rubric, judged as the settings say."""

    def played(protocol: str, engine: FakeEngine) -> Evaluation:
        record = CaseRecord("r", "x", 60, "male", "Pain", answer="Osteoarthritis of the hand", extra=RUBRIC)
        found = CaseSet([record_case(record, "x")], "v1")
        monkeypatch.setattr(services, "open_cases", lambda **_: found)
        who = opponent(policy="mine", url=engine.url, model=engine.model)
        return services.evaluate(wanted=Wanted(protocol, "x"), opponent=who, site=make.default_site(), by=None)

    return sync_to_async(played)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("said", "correct"), [("same", True), ("different", False)])
async def test_a_second_opinion_settles_what_the_table_cannot(play, settings, said, correct):
    async with FakeEngine(script=[ODD]) as engine, FakeEngine(script=[said], model="wise") as wise:
        settings.JUDGE_URL, settings.JUDGE_MODEL = wise.url, "wise"
        row = await play("end-to-end", engine)
    assert (row.judging_model, row.judge["kind"], row.summary["judged"]) == ("wise", "language", 1)
    kept = await EvaluatedEpisode.objects.aget()
    assert (kept.correct, kept.result["how"]) == (correct, "judge")


@pytest.mark.django_db(transaction=True)
async def test_without_a_judge_the_undecided_are_counted(play):
    async with FakeEngine(script=[ODD]) as engine:
        row = await play("end-to-end", engine)
    assert (row.judge, row.summary["undecided"], row.summary["judged"]) == ({}, 1, 0)


@pytest.mark.django_db(transaction=True)
async def test_a_judge_that_is_down_leaves_no_score(play, settings, monkeypatch):
    monkeypatch.setattr("agents.judge.asyncio.sleep", _at_once)
    settings.JUDGE_URL, settings.JUDGE_MODEL = "http://127.0.0.1:9/v1", "gone"
    async with FakeEngine(script=[ODD]) as engine:
        with pytest.raises(Unscored, match="the judge gave no verdict"):
            await play("end-to-end", engine)
        row = await Evaluation.objects.aget()
        assert (row.status, row.summary["accuracy"], row.summary["unjudged"]) == ("failed", None, 1)
        async with FakeEngine(script=["same"], model="gone") as wise:
            settings.JUDGE_URL = wise.url
            before = len(engine.requests)
            row = await play("end-to-end", engine)
        assert len(engine.requests) == before, "the consultation is whole: only the judge is asked again"
    assert (row.status, row.summary["accuracy"]) == ("succeeded", 1.0)


@pytest.mark.django_db(transaction=True)
async def test_a_rubric_loses_coverage_with_its_judge_and_regains_it(play, settings, monkeypatch):
    monkeypatch.setattr("agents.judge.asyncio.sleep", _at_once)
    met, bad = '{"verdict": "met", "evidence": "", "reason": ""}', "I would say so"
    async with FakeEngine(script=[ODD]) as engine, FakeEngine(script=["same", met, bad, bad, bad, met]) as wise:
        settings.JUDGE_URL, settings.JUDGE_MODEL = wise.url, wise.model
        row = await play("rubric", engine)
        assert (row.summary["rubric"], row.summary["unjudged"]) == (1.0, 1)
        assert 0 < row.summary["coverage"] < 1
        wise.script.extend([met, met])
        row = await play("rubric", engine)
    assert (row.summary["coverage"], row.summary["unjudged"]) == (1.0, 0)


async def _at_once(seconds: float) -> None:
    return None
