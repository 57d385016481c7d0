"""What a run folder begins with: the weights that are the default here, a rollout server, the patients to play."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from django.utils import timezone

from agents.world.virtual import case_id
from clinic.models import User
from tests.training.runs.factories import make_snapshot
from training import runs
from training.models import OutboxMessage, Run
from training.rundir import RunDir
from training.runs import config, data, recovery, wishes

pytestmark = pytest.mark.django_db


def tiny(weights: Path) -> Path:
    folder = weights / "tiny-1"
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_text(json.dumps({"model": "tiny", "content": "c" * 64}))
    return folder


def test_without_a_version_it_begins_from_the_model_that_is_the_default_here(home: Path, monkeypatch) -> None:
    folder = tiny(home / "weights")
    monkeypatch.setenv("ROUNDS_MODEL", "tiny")
    found = config.weights_of(None)
    assert (found.base, found.described["model"]) == (folder, "tiny")


def grpo(admin: User, **fields: object) -> Run:
    return runs.start(site=admin.site, by=admin, trainer="grpo", **fields)


def test_episodes_may_be_sampled_by_somebody_elses_server(admin: User) -> None:
    run = grpo(admin, config={"rollouts": "http://rollouts:8000", "served_name": "ours"})
    recipe = config.of(run)["recipe"]
    assert (recipe["rollouts"], recipe["served_name"]) == ("http://rollouts:8000", "ours")
    run = grpo(admin, config={"rollouts": "http://rollouts:8000"})
    assert config.of(run)["recipe"]["served_name"] == config.SERVED


def judged(*cases: str) -> list[dict[str, object]]:
    return [{"case": case, "split": "train", "weight": 0.5, "rubric_version": "v"} for case in cases]


def test_patients_of_an_earlier_knowledge_are_not_played(admin: User, monkeypatch) -> None:
    known, unknown = case_id("train", 7000), "virtual:train:7001@0123456789ab"
    monkeypatch.setattr("training.snapshots.rows", lambda *_: iter(judged(unknown, known)))
    monkeypatch.setattr("training.runs.data._allowed", lambda _: [])
    run = grpo(admin, snapshot=make_snapshot(admin), config={"cases": 2})
    assert [row["case"] for row in data.of(run)] == [known, case_id("train", 0), case_id("train", 1)]


def test_a_criterion_that_two_versions_share_counts_once(admin: User, monkeypatch) -> None:
    rows = [{**row, "rubric_version": version} for version in "ab" for row in judged(case_id("train", 3))]
    monkeypatch.setattr("training.snapshots.rows", lambda *_: iter(rows))
    both = {"id": "ecg", "text": "An ECG was ordered", "points": 5.0}
    own = {"a": [both], "b": [both, {**both, "id": "troponin"}]}
    monkeypatch.setattr("training.runs.data._allowed", own.__getitem__)
    run = grpo(admin, snapshot=make_snapshot(admin), config={"cases": 1})
    assert [one["id"] for one in next(iter(data.of(run)))["criteria"]] == ["ecg", "troponin"]


def test_messages_that_went_out_long_ago_are_forgotten(admin: User) -> None:
    grpo(admin)
    old, late = OutboxMessage.objects.get(), OutboxMessage.objects.create(task="x")
    OutboxMessage.objects.filter(pk=old.pk).update(sent_at=timezone.now() - 2 * recovery.KEPT)
    OutboxMessage.objects.filter(pk=late.pk).update(sent_at=timezone.now())
    recovery.recover()
    assert not OutboxMessage.objects.filter(pk=old.pk).exists()
    assert OutboxMessage.objects.filter(pk=late.pk).exists()


def test_what_the_supervisor_sets_by_itself_may_be_named_too() -> None:
    for trainer, told in config.DEFAULTS.items():
        assert set(told) <= set(wishes.KNOWN[trainer])


def test_a_resumed_run_starts_its_server_at_a_port_that_is_free_now(admin: User, home: Path, monkeypatch) -> None:
    monkeypatch.setattr("clinic.local.model_server.PYTHON", home / "python")
    ports = iter([8501, 8502])
    monkeypatch.setattr("training.runs.config.free_port", lambda: next(ports))
    run_dir = RunDir.create(home / "run", config.of(grpo(admin)), [{"case": "x"}])
    assert run_dir.config["recipe"]["port"] == 8501
    config.fresh_server(run_dir)
    recipe = run_dir.config["recipe"]
    assert recipe["port"] == 8502
    assert "8502" in recipe["serve_command"]
    assert "8501" not in recipe["serve_command"]
