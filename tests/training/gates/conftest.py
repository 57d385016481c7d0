"""A profile that is played in a second, in a home of the test's own."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from training.gates import profiles

CASES = 24
FEW = {"pass_at_k": {"cases": 4, "k": 2}, "sentinel": {"cases": 6, "at_most": 0.5}, "subgroups": {"smallest": 5}}
WIDE = ("accuracy", "exam_f1", "rubric", "calibration", "malformed", "listing")
WIDER = ("over_asking", "repeated", "subgroups")


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The demonstration with few patients; the oracle's references would take a second each."""
    row = yaml.safe_load((profiles.FOLDER / "demo.yaml").read_bytes()) | {"cases": CASES, "at_least": CASES - 1}
    # These players learn from no physician, so the published reward is what must improve.
    row["primary"] = "reward"
    row["checks"].pop("reward")
    row["checks"]["physicians"] = {"kind": "informative"}
    # Too few of two dozen patients have an answer that must not be missed.
    row["checks"]["cant_miss"] = {"kind": "informative"}
    for name, changes in FEW.items():
        row["checks"][name] |= changes
    for names, margin in ((WIDE, 0.6), (WIDER, 0.7)):
        for name in names:
            row["checks"][name]["margin"] = margin
    (tmp_path / "profiles").mkdir()
    (tmp_path / "profiles" / "demo.yaml").write_text(yaml.safe_dump(row, sort_keys=False))
    monkeypatch.setattr(profiles, "FOLDER", tmp_path / "profiles")
    monkeypatch.setenv("ROUNDS_HOME", str(tmp_path))
    monkeypatch.setattr("training.evaluation.cases._kept", {})
    monkeypatch.setattr("training.evaluation.cases.reference_examinations", lambda case: ["vitals", "cbc"])
