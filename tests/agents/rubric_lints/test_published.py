"""The lints over a published benchmark's rubrics, where its sample is present; its words stay where they are."""

import json
from collections import Counter
from pathlib import Path

import pytest

from agents.rubric_lints import lint
from agents.rubrics import Criterion

SAMPLE = Path(__file__).resolve().parents[4] / "shared" / "data" / "cases" / "healthbench_dev15.jsonl"


@pytest.mark.skipif(not SAMPLE.exists(), reason="the shared sample of published rubrics is not on this machine")
def test_published_rubrics(record_property):
    found: Counter[str] = Counter()
    total = 0
    for line in SAMPLE.read_text(encoding="utf-8").splitlines():
        rows = json.loads(line)["rubrics"]
        total += len(rows)
        criteria = [Criterion(str(n), row["criterion"], row["points"]) for n, row in enumerate(rows)]
        found.update(problem.code for problem in lint(criteria))
    record_property("criteria", total)
    record_property("found", dict(found))
    # Read by a person: each of these signs contradicts its words, and no other of the 196 was flagged.
    assert (total, found["penalty_like_virtue"], found["reward_like_fault"]) == (196, 3, 0)
    assert found["compound"] >= 40
    assert found["duplicate"] >= 2
