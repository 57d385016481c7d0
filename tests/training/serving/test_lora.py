"""On a GPU adapters are loaded by name: again after a restart for whoever is pinned to them, and out when nobody is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from clinic.models import Consultation, ModelVersion
from clinic.services import consultations, versions
from clinic.services.errors import Refused
from tests.clinic.factories import make_case, make_user
from tests.doubles.engine import FakeEngine
from tests.doubles.served import Served
from tests.training.gates.factories import make_gate
from tests.training.serving.factories import admin, clear, fingerprint_of, make_base, make_candidate, make_serving
from training import places, serving
from training.serving import lora

pytestmark = pytest.mark.django_db


@pytest.fixture
def engine(home: Path, settings: Any) -> Iterator[FakeEngine]:
    with Served() as engine:
        settings.SERVING, settings.LORA_URL, settings.LORA_FOLDER = "lora", engine.url, ""
        settings.EMBEDDED_AGENTS = ""
        yield engine


@pytest.fixture
def base_serves(db: None, engine: FakeEngine) -> ModelVersion:
    """The base itself, by its own name in the same server."""
    make_base()
    version = make_serving()
    versions.register_endpoint(by=None, version=version, url=engine.url, model_name=engine.model)
    return version


def candidate(base: str) -> ModelVersion:
    """A cleared one, whose trainer kept what the server says once its adapter is loaded."""
    version = clear(make_candidate(base, known=False))
    fingerprint = fingerprint_of(str(places.adapters() / version.version))
    versions.keep_fingerprint(version=version, name="x", fingerprint=fingerprint.as_dict(), source="the trainer")
    return version


def test_an_adapter_is_loaded_by_its_name_once_and_answers_as_itself(base_serves, engine):
    version = candidate(base_serves.base)
    endpoint = serving.bring_up(version)
    assert (endpoint.url, endpoint.model_name) == (engine.url, version.version)
    assert engine.adapters == {version.version: str(places.adapters() / version.version)}
    assert serving.check_identity(endpoint)
    assert serving.bring_up(version) == endpoint


def test_two_that_load_at_once_are_both_served(base_serves, engine, monkeypatch):
    """The page and the timer: the second is told that the name is loaded already."""
    version, listed = candidate(base_serves.base), lora.served
    asked: list[str] = []

    def meanwhile(url: str, one: ModelVersion) -> list[str]:
        found = listed(url, one)
        engine.adapters.setdefault(one.version, str(places.adapters() / one.version))
        asked.append(url)
        return found

    monkeypatch.setattr(lora, "served", meanwhile)
    assert serving.bring_up(version).model_name == version.version
    assert len(asked) == 2


def test_an_adapter_that_cannot_be_loaded_is_refused_with_the_servers_words(base_serves, engine):
    version = candidate(base_serves.base)
    engine.refuses_adapters = "LoRA rank 64 is greater than max_lora_rank 16."
    with pytest.raises(Refused, match="greater than max_lora_rank 16"):
        serving.bring_up(version)


def test_a_server_that_is_no_vllm_is_a_sentence(base_serves, settings, monkeypatch):
    monkeypatch.setattr(lora, "_ask", lambda *asked: b"<html>")
    with pytest.raises(Refused, match="it is no vLLM"):
        serving.bring_up(candidate(base_serves.base))


def test_after_a_restart_of_the_server_open_consultations_keep_their_version(base_serves, engine):
    """Rolled back, yet somebody is in the middle of a consultation with it: its adapter comes back with the timer."""
    version, by = candidate(base_serves.base), admin()
    serving.promote(version=version, by=by)
    held = consultations.start(case=make_case(), by=make_user())
    serving.roll_back(by=by, reason="Doubts.")
    assert held.model_version == version
    engine.adapters.clear()
    serving.watch()
    assert version.version in engine.adapters


def test_what_nobody_needs_any_more_is_unloaded(base_serves, engine):
    by, version = admin(), candidate(base_serves.base)
    serving.promote(version=version, by=by)
    held = consultations.start(case=make_case(), by=make_user())
    serving.roll_back(by=by, reason="Doubts.")
    serving.watch()
    assert version.version in engine.adapters, "a consultation has it"
    Consultation.objects.filter(pk=held.pk).update(status="closed", closed_at=timezone.now())
    gate = make_gate(version, baseline=base_serves)
    serving.watch()
    assert version.version in engine.adapters, "a gate plays it"
    gate.move_to("broke", by=None)
    serving.watch()
    assert version.version not in engine.adapters


def test_the_version_before_stays_loaded_for_a_rollback(base_serves, engine):
    by, first = admin(), candidate(base_serves.base)
    serving.promote(version=first, by=by)
    serving.promote(version=base_serves, by=by)
    serving.watch()
    assert first.version in engine.adapters
