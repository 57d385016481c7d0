"""`manage evaluate`: the contract's last line, resuming, refusals in one sentence, any server by its address."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from asgiref.sync import sync_to_async
from django.core.management import CommandError, call_command

from clinic.models import AuditEntry, CaseKind
from tests.clinic import factories as make
from tests.doubles.engine import FakeEngine
from tests.training.factories import SUMMARY, make_evaluation
from training.evaluation import run as runner
from training.evaluation.run import KEYS
from training.models import EvaluatedEpisode, Evaluation

pytestmark = pytest.mark.django_db
RANDOM = ("evaluate", "end-to-end", "--cases", "virtual:test", "--policy", "random", "--limit", "3")


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("ROUNDS_HOME", str(tmp_path))
    make.default_site()
    return tmp_path


def run(*arguments: str) -> tuple[dict, str]:
    """The last line, and what was said on stderr."""
    out, told = io.StringIO(), io.StringIO()
    call_command(*arguments, "--json", stdout=out, stderr=told)
    return json.loads(out.getvalue().splitlines()[-1]), told.getvalue()


def refused(*arguments: str) -> str:
    out = io.StringIO()
    with pytest.raises(CommandError) as error:
        call_command(*arguments, "--json", stdout=out, stderr=io.StringIO())
    assert json.loads(out.getvalue().splitlines()[-1]) == {"ok": False, "error": str(error.value)}
    return str(error.value)


@pytest.mark.slow
def test_random_on_virtual_patients(home, monkeypatch):
    got, told = run(*RANDOM)
    assert set(KEYS) <= set(got)
    assert (got["ok"], got["n"], got["policy"], got["cases"]) == (True, 3, "random", "virtual:test")
    assert "3/3  random" in told
    assert "3/3  greedy-oracle" in told
    row = Evaluation.objects.get()
    assert (row.status, row.done, row.total, row.doing) == ("succeeded", 3, 3, "")
    assert [episode.number for episode in row.episodes.all()] == [1, 2, 3]
    first = row.episodes.first()
    assert first.episode["end"] == first.end == "FINISH"
    assert first.opening["complaint"]
    assert [entry.action for entry in AuditEntry.objects.order_by("seq")][-2:] == [
        "evaluation.started",
        "evaluation.succeeded",
    ]

    def never(*arguments, **options):
        raise AssertionError("a finished case was played again")

    monkeypatch.setattr("training.evaluation.run.run_episode", never)
    again, _ = run(*RANDOM)
    assert again == got
    assert Evaluation.objects.count() == 1


@pytest.mark.slow
def test_an_interrupted_one_goes_on(home, monkeypatch):
    play, played = runner.run_episode, []

    async def twice(*arguments, **options):
        if len(played) == 2:
            raise KeyError("power cut")
        played.append(1)
        return await play(*arguments, **options)

    monkeypatch.setattr(runner, "run_episode", twice)
    with pytest.raises(KeyError):
        run(*RANDOM)
    row = Evaluation.objects.get()
    assert (row.status, row.error) == ("failed", "KeyError: 'power cut'")
    kept = row.episodes.count()
    monkeypatch.setattr(runner, "run_episode", play)
    got, _ = run(*RANDOM)
    assert kept < got["scored"] == 3
    row.refresh_from_db()
    assert (row.status, row.error, row.episodes.count()) == ("succeeded", "", 3)


def test_what_cannot_be_evaluated_is_one_sentence():
    def wanted(**changes):
        options = {"cases": "virtual:test", "policy": "random", "limit": "2", **changes}
        return ["evaluate", "end-to-end", *(f"--{name.replace('_', '-')}={value}" for name, value in options.items())]

    make.make_case(CaseKind.RECORD, origin="agentclinic")
    assert "no policy nobody" in refused(*wanted(policy="nobody"))
    assert "no set of cases 'nowhere'; there are" in refused(*wanted(cases="nowhere"))
    assert "agentclinic" in refused(*wanted(cases="nowhere"))
    assert "sealed" in refused(*wanted(cases="virtual:sealed"))
    assert "virtual cases only" in refused(*wanted(cases="agentclinic"))
    assert "number from 1" in refused(*wanted(limit="0"))
    assert "--model" in refused(*wanted(policy="mine", url="http://127.0.0.1:9/v1"))
    assert "codec" in refused(*wanted(policy="http://127.0.0.1:9/v1#m", codec="morse"))
    assert Evaluation.objects.count() == 0


def test_a_server_that_is_down_is_a_failed_evaluation_not_wrong_answers():
    make.make_case(CaseKind.RECORD, origin="agentclinic")
    where = ("--policy", "mine", "--url", "http://127.0.0.1:9/v1", "--model", "m")
    assert "No case could be scored" in refused("evaluate", "end-to-end", "--cases", "agentclinic", *where)
    row = Evaluation.objects.get()
    assert row.status == "failed"
    assert "policy_unavailable" in row.error
    assert row.episodes.get().correct is None


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("protocol", ["single-turn", "end-to-end", "rubric"])
async def test_any_server_by_its_address(protocol):
    await sync_to_async(make.make_case)(CaseKind.RECORD, origin="agentclinic")
    cases = "virtual:validation" if protocol == "rubric" else "agentclinic"
    async with FakeEngine() as engine:
        where = ("--policy", f"{engine.url}#{engine.model}", "--cases", cases, "--limit", "1")
        got, _ = await sync_to_async(run)("evaluate", protocol, *where)
    assert (got["n"], got["scored"], got["policy"]) == (1, 1, engine.model)
    row = await EvaluatedEpisode.objects.select_related("evaluation").aget()
    assert (row.evaluation.status, row.evaluation.protocol) == ("succeeded", protocol)
    assert (row.episode is None) == (protocol == "single-turn")
    assert bool(row.result.get("rubric")) == (protocol == "rubric")


def test_ctrl_c_is_a_sentence_and_130(monkeypatch):
    def pressed(**_):
        raise KeyboardInterrupt

    monkeypatch.setattr("training.services.evaluate", pressed)
    out = io.StringIO()
    with pytest.raises(CommandError, match="the same command goes on") as error:
        call_command(*RANDOM, "--json", stdout=out, stderr=io.StringIO())
    assert error.value.returncode == 130
    assert json.loads(out.getvalue())["ok"] is False


def test_one_table_of_the_policies_on_the_same_cases():
    def table(*arguments: str) -> str:
        out = io.StringIO()
        call_command("evaluation_table", *arguments, stdout=out)
        return out.getvalue()

    with pytest.raises(CommandError, match="No finished end-to-end evaluation on virtual:test"):
        table()
    site = make.default_site()
    make_evaluation(policy="random", site=site, summary={**SUMMARY, "accuracy": 0.1})
    make_evaluation(policy="random", site=site)
    make_evaluation(policy="greedy-oracle", site=site, summary={**SUMMARY, "accuracy": 0.8, "scored": 39})
    make_evaluation(policy="of-other-cases", site=site, contents="v2")
    make_evaluation(policy="unfinished", site=site, status="running", summary={})
    told = json.loads(table("--json"))
    assert (told["ok"], told["cases"], told["n"]) == (True, "virtual:test", 40)
    assert [(row["policy"], row["accuracy"]["value"]) for row in told["rows"]] == [
        ("greedy-oracle", 0.8),
        ("random", 0.625),
    ]
    assert told["rows"][1]["accuracy"]["ci"] == [0.5, 0.75]
    assert told["rows"][1]["malformed"] == {"value": 0.0, "ci": None}
    lines = table("--limit=40").splitlines()
    assert lines[1].split()[:3] == ["policy", "n", "accuracy"]
    assert "39/40" in lines[2]
    assert "0.625 [0.500, 0.750]" in lines[3]
