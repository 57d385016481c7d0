"""Evaluations on the language world: the same cases under a name of their own, every episode naming its world."""

from __future__ import annotations

import asyncio

import pytest

from agents.environment import ConsultationEnv
from agents.types import Action, ActionKind, Source
from agents.world.language import LanguageWorld
from clinic.models import AuditEntry
from clinic.services.errors import Refused
from tests.clinic.factories import make_case, make_site
from tests.doubles.served import Served
from training.case_sets import open_cases

pytestmark = pytest.mark.django_db


@pytest.fixture
def served(settings):
    with Served() as engine:
        settings.WORLD_URL, settings.WORLD_MODEL = engine.url, engine.model
        yield engine


async def one_step(case):
    env: ConsultationEnv = case.environment()
    await env.reset()
    try:
        return env.identity, await env.step(Action(ActionKind.EXAMINE, "CRP"))
    finally:
        await env.world.engine.client.close()


def test_the_same_cases_with_another_world(served):
    site = make_site()
    own = open_cases(name="virtual:test", site=site, limit=2)
    found = open_cases(name="virtual:test on language", site=site, limit=2)
    assert [case.id for case in found.cases] == [case.id for case in own.cases]
    assert found.contents != own.contents
    assert not any(case.is_virtual for case in found.cases), "no exact posterior knows what a language model wrote"
    identity, result = asyncio.run(one_step(found.cases[0]))
    assert (identity["backend"], identity["model"]) == ("language", served.model)
    assert result.observations[0].source is Source.SIMULATED
    assert served.requests[-1].body["priority"] == 10, "behind a waiting clinician"


def test_an_imported_origin_can_be_played_too(served):
    site = make_site()
    make_case("record", site=site, origin="medrbench", key="m:1")
    (case,) = open_cases(name="medrbench on language", site=site).cases
    assert isinstance(case.open_world(), LanguageWorld)


def test_credentialed_records_are_refused_before_anything_is_sent(settings):
    settings.WORLD_URL, settings.WORLD_MODEL = "https://models.example.org/v1", "world"
    site = make_site()
    make_case("record", site=site, origin="mimic", key="m:1", credentialed=True)
    with pytest.raises(Refused, match="data use agreement"):
        open_cases(name="mimic on language", site=site)
    entry = AuditEntry.objects.get(action="credentialed.refused")
    assert (entry.target, entry.data["host"]) == ("mimic", "models.example.org")
