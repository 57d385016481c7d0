"""Which tokens carry loss, how rows are drawn by weight, and when a policy counts as lost."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.training.trainers import environment

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def found(toy: Path) -> Any:
    return environment.in_training_environment("tests.training.trainers.example_checks", str(toy))


def test_only_what_the_assistant_said_is_learned(found: Any) -> None:
    said = "<|im_end|>".join([*found["said"], ""])
    assert found["learned"] == said
    assert found["pair_learned"] == said
    assert "no assistant message" in found["nothing"]


def test_rows_are_drawn_by_their_weight(found: Any) -> None:
    assert found["drawn"]["same"] is True
    expected = {"0": 40, "1": 40, "2": 20, "3": 10}
    assert all(abs(found["drawn"]["counts"][n] - count) <= 1 for n, count in expected.items())


def test_a_policy_that_is_lost_is_noticed(found: Any) -> None:
    kept, malformed, entropy, examinations = found["collapse"]
    assert kept is None
    assert "malformed" in malformed
    assert "entropy" in entropy
    assert "no examination" in examinations


def test_every_process_sees_the_same_end_and_the_same_numbers(found: Any) -> None:
    """By what TRL logged everywhere, not by a file that one process writes; a number that one has not is not gathered
    into another's."""
    assert found["watch"] == [None, "more than 90% of its answers were malformed for 3 steps"]
    assert found["told"] == {"reward": [1.0], "turns": [3.0]}
