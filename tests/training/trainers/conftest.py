"""One toy policy for all tests of trainers that train a speaker."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.training.trainers import environment


@pytest.fixture(scope="session")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("toy")
    environment.run("tests.training.trainers.toy", str(folder))
    return folder
