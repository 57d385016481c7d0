"""Whole evaluations: the contract's keys, resuming, outages, any endpoint in either codec."""

import json

import pytest

from agents.client import PolicyClient
from agents.codecs import DialectCodec, StructuredCodec
from agents.policy import Policy
from agents.types import CaseRecord, PolicyIdentity, RecordedResult, Sampling
from tests.doubles.engine import FakeEngine
from training.evaluation.cases import case_set, record_case
from training.evaluation.panels import PANELS
from training.evaluation.policies import Endpoint, GreedyOracle, RandomPlayer
from training.evaluation.run import KEYS, PROTOCOLS, Settings, evaluate
from training.evaluation.store import OtherRun, RunFile


@pytest.fixture(scope="module")
def cases():
    return case_set("virtual:test", limit=3)


@pytest.fixture
async def engine():
    async with FakeEngine() as engine:
        yield engine


def policy(engine, codec, **sampling):
    client = PolicyClient(engine.url, engine.model)
    how = Sampling(max_tokens=320, **sampling)
    return Policy(client, codec, how, PolicyIdentity("fake", "b", None, codec.digest, "fake", how))


def records(n=4):
    results = (RecordedResult("ECG", "ST elevation"), RecordedResult("Troponin", "High"))
    return [
        record_case(CaseRecord(f"r{i}", "t", 60, "male", "Chest pain", results=results, answer="Pneumonia"), "x")
        for i in range(n)
    ]


async def test_random_against_the_greedy_oracle(cases, tmp_path):
    told = []
    got = await evaluate(
        "end-to-end", cases, RandomPlayer(seed=5), folder=tmp_path, on_progress=lambda *row: told.append(row)
    )
    assert set(KEYS) <= set(got)
    assert (got["n"], got["scored"], got["name"]) == (3, 3, "random")
    assert got["accuracy_over_oracle"] == pytest.approx(got["accuracy"] / got["oracle_accuracy"])
    assert told[0][1:] == (3, "random")
    assert told[-1] == (3, 3, "greedy-oracle")
    json.dumps(got)


async def test_the_oracle_over_itself_is_one(cases):
    got = await evaluate("end-to-end", cases[1:2], GreedyOracle())
    assert (got["accuracy_over_oracle"], got["f1_mean_per_case"]) == (1.0, 1.0)


async def test_finished_cases_are_not_played_again(engine, tmp_path):
    async def run(n):
        player = Endpoint("fake", policy(engine, StructuredCodec()))
        return await evaluate("end-to-end", records(n), player, folder=tmp_path)

    await run(2)
    path = tmp_path / "episodes.jsonl"
    with path.open("ab") as file:
        file.write(b'{"case": "r2", "episode": {"turn')
    before = len(engine.requests)
    got = await run(4)
    assert got["scored"] == 4
    asked = engine.requests[before:]
    assert asked
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert sorted(line["case"] for line in lines[1:]) == ["r0", "r1", "r2", "r3"]
    again = len(engine.requests)
    assert (await run(4)) == got
    assert len(engine.requests) == again


async def test_an_outage_is_an_error_and_runs_again(engine, tmp_path):
    player = Endpoint("fake", policy(engine, StructuredCodec()))
    engine.fail("http_500")
    got = await evaluate("end-to-end", records(1), player, folder=tmp_path)
    assert (got["errors"], got["scored"], got["accuracy"]) == (1, 0, None)
    again = await evaluate("end-to-end", records(1), player, folder=tmp_path)
    assert (again["errors"], again["scored"]) == (0, 1)


async def test_another_policy_may_not_continue_the_file(engine, tmp_path):
    await evaluate("end-to-end", records(1), Endpoint("a", policy(engine, StructuredCodec())), folder=tmp_path)
    other = Endpoint("b", policy(engine, StructuredCodec(), temperature=1.0))
    with pytest.raises(OtherRun, match="policy"):
        await evaluate("end-to-end", records(1), other, folder=tmp_path)


@pytest.mark.parametrize("codec", [StructuredCodec(), DialectCodec()])
@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_any_endpoint_in_either_codec(engine, codec, protocol, tmp_path):
    player = Endpoint("fake", policy(engine, codec))
    got = await evaluate(protocol, [*records(2), *case_set("virtual:test", limit=1)], player, folder=tmp_path)
    assert set(KEYS) <= set(got)
    assert got["n"] == (1 if protocol == "rubric" else 3)
    assert got["errors"] == 0
    assert got["accuracy_over_oracle"] is None


@pytest.mark.parametrize("name", PANELS)
async def test_panels_play_whole_consultations(engine, name):
    panel = PANELS[name](policy(engine, StructuredCodec()))
    got = await evaluate("end-to-end", records(1), Endpoint(name, panel))
    assert (got["scored"], got["malformed"]) == (1, 0.0)
    assert got["policy"]["prompt"] != StructuredCodec().digest
    assert len(engine.requests) > got["turns"], "colleagues were asked"
    single = await evaluate("single-turn", records(1), Endpoint(name, panel))
    assert single["errors"] == 0


async def test_unknown_protocols_and_impossible_players():
    with pytest.raises(ValueError, match="single-turn, end-to-end, rubric"):
        await evaluate("double-turn", [], GreedyOracle())
    with pytest.raises(ValueError, match="virtual cases only"):
        await evaluate("end-to-end", records(2), GreedyOracle())


async def test_an_evaluation_leaves_no_error_text_in_its_turns(engine, tmp_path):
    for kind in ("http_500", "drop", "garbage"):
        engine.fail(kind)
    player = Endpoint("fake", policy(engine, StructuredCodec()))
    await evaluate("end-to-end", records(6), player, folder=tmp_path, settings=Settings(concurrency=2))
    for line in (tmp_path / "episodes.jsonl").read_text().splitlines()[1:]:
        for turn in json.loads(line)["episode"]["turns"]:
            assert "None" not in turn["text"]
            assert "Error" not in turn["text"]


def test_a_file_that_is_none_of_ours_is_refused(tmp_path):
    path = tmp_path / "x.jsonl"
    path.write_text('{"a": 1}\n')
    with pytest.raises(OtherRun):
        RunFile(path, {})
