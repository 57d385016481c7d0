"""Seats at servers, over HTTP: greedy play, tries by seed, log-probs of both, and recent consultations asked again."""

import asyncio
import json

import pytest

from agents.codecs import StructuredCodec
from agents.types import Action, ActionKind, Hypothesis
from clinic.models import Endpoint, ModelOutput, ModelVersion
from tests.clinic.factories import make_case, make_consultation, make_endpoint, make_site, make_turn, make_version
from tests.doubles.engine import FakeEngine
from tests.training.gates.factories import make_candidate
from training.evaluation.run import Settings, play
from training.gates import playing, profiles, replay, sealed
from training.gates.playing import Plan
from training.gates.seats import ServedSeats, Server, TracedPlayer

CODEC = StructuredCodec()


def action(kind: str, target: str) -> str:
    return CODEC.encode(Action(ActionKind(kind), target, "It fits.", (Hypothesis("Pneumonia", 0.4),)))


def server(engine: FakeEngine, name: str, **fields) -> Server:
    version = ModelVersion(version=name, role="agent", base="b", codec="structured", **fields)
    return Server(version, Endpoint(url=engine.url, model_name=engine.model, engine="fake"))


def plan(tmp_path, name="demo") -> Plan:
    return Plan(profiles.load(name), 0, tmp_path)


def test_both_sides_play_and_their_tokens_are_scored_by_both(tmp_path):
    async def run():
        async with FakeEngine(model="a", weights="a") as ours, FakeEngine(model="b", weights="b") as theirs:
            seats = ServedSeats(server(ours, "dx-a", adapter="x"), server(theirs, "dx-b"))
            player = TracedPlayer(seats.player("candidate", seed=3, temperature=1.0), tmp_path / "traces.jsonl")
            cases = sealed.cases(2)
            games = await play(cases, player, settings=Settings(against_oracle=False), tell=lambda *_: None)
            material = playing.Material(cases, {})
            await playing._apart(plan(tmp_path), seats, material)
            bodies = [said.body for said in ours.requests]
            await seats.close()
        return games, material, bodies

    games, material, bodies = asyncio.run(run())
    assert all(game.result.error is None for game in games)
    assert games[0].episode.policy.version == "dx-a"
    hot = [body for body in bodies if body.get("temperature") == 1.0]
    assert hot[0]["return_token_ids"] is True
    seeds = [body["seed"] for body in hot]
    assert len(set(seeds)) == len(seeds) >= 2, "no two turns draw the same noise"
    assert len(material.apart) >= 2
    assert any(apart for apart in material.apart), "two servers with other weights say other log-probs"
    traces = [json.loads(line) for line in (tmp_path / "traces.jsonl").read_text().splitlines()]
    assert all(prompt and answer for prompt, answer in traces)


def test_another_base_is_not_compared_token_by_token(tmp_path):
    async def run():
        async with FakeEngine() as engine:
            theirs = server(engine, "dx-b")
            theirs.version.base = "another"
            seats = ServedSeats(server(engine, "dx-a"), theirs)
            material = playing.Material([], {})
            await playing._apart(plan(tmp_path), seats, material)
            await seats.close()
        return material

    assert "another base" in asyncio.run(run()).missing["divergence"]


def test_a_server_without_log_probs_is_said_not_to_tell_them(tmp_path):
    class Mute:
        def scorer(self, side):
            return self

        async def logprobs_of(self, prompt, answer):
            from agents.errors import PolicyError

            raise PolicyError("no log-probs", code="policy_garbled")

    (tmp_path / "traces.jsonl").write_text("[[1, 2], [3]]\n")
    material = playing.Material([], {})
    asyncio.run(playing._apart(plan(tmp_path), Mute(), material))
    assert "told no log-probs" in material.missing["divergence"]


@pytest.mark.django_db
def test_recent_consultations_are_asked_again_but_never_patients_or_sealed_ones():
    endpoint = make_endpoint(version=make_version())
    candidate = make_candidate()

    def spoken(case, *, kept=True, **fields):
        consultation = make_consultation(case=case, endpoint=endpoint, **fields)
        for kind, target in (("examine", "CBC"), ("diagnose", "Pneumonia")):
            told = {"action": kind, "target": target}
            turn = make_turn(consultation, "agent", text="It fits.", action=told)
            if kept:
                ModelOutput.objects.create(turn=turn, attempt=1, text=action(kind, target), complete=True)
            make_turn(consultation, "environment", text="WBC 12", matched="CBC", source="simulated")
        return consultation

    seen = spoken(make_case())
    spoken(make_case("patient"))
    spoken(make_case(key="virtual:sealed:0001@x"))
    spoken(make_case(credentialed=True))
    spoken(make_case(site=make_site()))
    spoken(make_case(), kept=False)
    found = replay.recent(site=seen.site, version=candidate, count=20)
    assert [(row.kind, row.target) for row in found] == [("diagnose", "Pneumonia"), ("examine", "CBC")]
    assert found[0].exchanges[0].said == action("examine", "CBC")

    async def again():
        async with FakeEngine(script=[action("diagnose", "pneumonia"), action("examine", "ECG")]) as engine:
            seats = ServedSeats(server(engine, "dx-a"), server(engine, "dx-b"))
            try:
                return await replay.answer_again(found, seats.player("candidate"), at_once=1)
            finally:
                await seats.close()

    assert asyncio.run(again()) == [True, False]
