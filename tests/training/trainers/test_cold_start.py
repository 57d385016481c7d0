"""Work-ups to learn from: honest, varied, and the same bytes for the same seed, also after a break."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from agents.codecs import by_name
from agents.types import ActionKind
from agents.world.virtual import case_id, open_case
from tests.training.trainers.environment import run
from training.trainers import cold_start
from training.trainers.cold_start import OtherFile, row
from training.trainers.outside import deferral
from training.trainers.workups import STEPS, SURE, consultation, written

CARDS = by_name("cards")
NUMBERS = range(70_000, 70_010)


@pytest.fixture(scope="module")
def workups():
    return {number: written(number, seed=1, codec=CARDS) for number in NUMBERS}


def said(workup):
    return [CARDS.parse(message["content"]) for message in workup.messages if message["role"] == "assistant"]


def test_every_action_can_be_read_and_only_the_last_ends_it(workups):
    for workup in workups.values():
        *steps, last = said(workup)
        assert all(not action.kind.is_final for action in steps)
        assert last.kind.is_final
        assert len(steps) <= STEPS + 1
        assert [m["role"] for m in workup.messages[2:]] == ["assistant", "user"] * len(steps) + ["assistant"]


def test_most_diagnoses_are_right_and_sure_ones_end_it(workups):
    right = 0
    for number, workup in workups.items():
        *steps, last = said(workup)
        right += last.kind is ActionKind.DIAGNOSE and open_case(case_id("train", number)).answer_is(last.target)
        assert all(action.differential[0].probability < SURE + 0.01 for action in steps)
    assert right >= 6


def test_reasons_are_this_patients_findings_and_differ(workups):
    reasons = Counter(action.reason for workup in workups.values() for action in said(workup))
    assert len(reasons) > len(reasons.keys() & {"the complaint alone"}) + 15
    assert all(reasons)


def test_messages_are_the_codecs_own(workups):
    """What is learned from is what the policy is told when it speaks."""
    workup = workups[NUMBERS[0]]
    assert workup.messages[0]["content"] == CARDS.messages(open_case(case_id("train", 1)).inquiry(), [])[0].content
    assert all("Cards: " in message["content"] for message in workup.messages if message["role"] == "user")


def test_a_detour_is_context_and_not_learned():
    found = [written(number, seed=2, codec=CARDS) for number in range(70_100, 70_107)]
    detours = [workup for workup in found if workup.learn_from > 2]
    assert detours
    assert all(workup.messages[workup.learn_from]["role"] == "assistant" for workup in found)


def test_the_named_function_gives_the_messages_alone():
    assert consultation(70_000, seed=1, codec=CARDS) == written(70_000, seed=1, codec=CARDS).messages
    assert consultation(70_000, seed=1, codec=CARDS) != consultation(70_001, seed=1, codec=CARDS)


@pytest.mark.parametrize("codec", ["cards", "brief", "structured"])
def test_other_complaints_are_deferred_with_a_reason(codec):
    spoken = by_name(codec)
    for number in range(40):
        action = spoken.parse(deferral(number, seed=1, codec=spoken).messages[-1]["content"])
        assert action.kind is ActionKind.DEFER
        assert action.reason
        assert sum(hypothesis.probability for hypothesis in action.differential) < 0.1


def test_rows_are_those_of_the_sft_trainer():
    found = row(3, seed=5, codec="cards", first=70_200)
    assert found.keys() == {"id", "split", "prompt", "completion", "weight"}
    assert found["completion"][0]["role"] == found["completion"][-1]["role"] == "assistant"
    assert found["id"].startswith("virtual:train:70203@")
    assert row(cold_start.OUTSIDE_EVERY - 1, seed=5, codec="cards")["id"].startswith("outside:")


def test_held_out_rows_are_of_the_validation_split():
    held = row(cold_start.VALIDATION_EVERY - 1, seed=5, codec="cards")
    assert held["split"] == "validation"
    assert held["id"].startswith(f"virtual:validation:{cold_start.VALIDATION_FROM}@")


def test_a_broken_file_is_continued_to_the_same_bytes(tmp_path: Path):
    out = tmp_path / "out.jsonl"
    rows = [json.dumps(row(n, seed=5, codec="cards", first=70_300), ensure_ascii=False) + "\n" for n in range(3)]
    made = cold_start.manifest(count=9, seed=5, codec="cards", first=70_300)
    out.with_suffix(".manifest.json").write_text(json.dumps(made))
    out.write_text(rows[0] + '{"id": "half a row', encoding="utf-8")
    make = ("training.trainers.cold_start", str(out), "--seed", "5", "--first", "70300", "--count", "3")
    told, _ = run(*make, "--processes", "2")
    assert "2 rows written" in told
    assert out.read_text(encoding="utf-8") == "".join(rows)
    assert json.loads(out.with_suffix(".manifest.json").read_text()) == {**made, "count": 3}


def test_a_file_made_otherwise_is_refused(tmp_path: Path):
    out = tmp_path / "out.jsonl"
    made = cold_start.manifest(count=1, seed=1, codec="cards", first=0)
    out.write_text("{}\n")
    with pytest.raises(OtherFile, match="no manifest"):
        cold_start._whole_rows(out, made)
    out.with_suffix(".manifest.json").write_text(json.dumps({**made, "seed": 2, "count": 9}))
    with pytest.raises(OtherFile, match="another seed"):
        cold_start._whole_rows(out, made)
