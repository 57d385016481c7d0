"""A home of the test's own, a base that serves in it, and the keeper of servers over fake engines."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from clinic.local import agent_servers
from clinic.models import ModelVersion
from clinic.services import agent_processes
from tests.doubles.fleet import Fleet
from tests.training.serving import factories
from training import places, serving
from training.serving import bringing


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: Any) -> Path:
    monkeypatch.setenv("ROUNDS_HOME", str(tmp_path))
    monkeypatch.setenv("ROUNDS_WEIGHTS", str(tmp_path / "weights"))
    settings.WEIGHTS_FOLDER = str(tmp_path / "weights")
    settings.SERVING, settings.EMBEDDED_MODEL = "merged", False
    assert places.weights() == tmp_path / "weights"
    return tmp_path


@pytest.fixture
def base(db: None, home: Path) -> str:
    return factories.make_base()


@pytest.fixture
def fleet(home: Path, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Fleet]:
    """It looks oftener than in earnest."""
    monkeypatch.setattr(agent_servers, "LOOK_SECONDS", 0.02)
    monkeypatch.setattr(agent_servers, "SETTLE_SECONDS", 0.2)
    monkeypatch.setattr(bringing, "LOOK_SECONDS", 0.02)
    monkeypatch.setattr(bringing, "PATIENCE", 60.0)
    with Fleet(home) as fleet:
        settings.EMBEDDED_AGENTS = str(fleet.folder)
        yield fleet


@pytest.fixture
def served(base: str, fleet: Fleet) -> ModelVersion:
    """The base serves, and its server is up."""
    version = factories.make_serving()
    agent_processes.tell_supervisor()
    serving.bring_up(version)
    return version
