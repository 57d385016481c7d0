"""A home of its own for each test of runs, with weights to start from and a trainer without torch."""

from __future__ import annotations

from pathlib import Path

import pytest

from clinic.models import ModelVersion, User
from tests.training.runs import factories
from training.runs import wishes


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings) -> Path:
    """ROUNDS_HOME with TRAINER_PYTHON set to the double; a supervisor looks often."""
    monkeypatch.setenv("ROUNDS_HOME", str(tmp_path))
    monkeypatch.setenv("ROUNDS_WEIGHTS", str(tmp_path / "weights"))
    monkeypatch.setattr("training.runs.supervisor.TICK", 0.05)
    for name, kind in factories.OF_DOUBLE.items():
        monkeypatch.setitem(wishes.KNOWN["sft"], name, kind)
    settings.TRAINER_PYTHON = str(factories.make_python(tmp_path))
    return tmp_path


@pytest.fixture
def serving(home: Path, db: None) -> ModelVersion:
    return factories.make_start(factories.make_base(home / "weights"))


@pytest.fixture
def admin(serving: ModelVersion) -> User:
    return factories.make_admin()
