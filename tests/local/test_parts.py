"""`run.py test` runs most tests side by side; nothing is left out and nothing runs twice."""

from __future__ import annotations

import os

import pytest

from clinic.local import checks


@pytest.fixture(autouse=True)
def two_processors(monkeypatch):
    monkeypatch.setattr(os, "cpu_count", lambda: 2)


def chosen(arguments):
    return [next((one for one in part if one.startswith("--part=")), None) for part in checks.parts(arguments)]


@pytest.mark.parametrize("arguments", [[], ["--drills"]])
def test_everything_is_together_or_alone(arguments):
    assert chosen(arguments) == ["--part=together", "--part=alone"]
    assert all(set(arguments) <= set(part) for part in checks.parts(arguments))


def test_the_fast_tests_all_bear_company():
    assert chosen(["--fast"]) == ["--part=together"]


def test_tests_that_are_named_are_run_as_they_are():
    assert checks.parts(["tests/agents", "-x"]) == [["tests/agents", "-x"]]


def test_on_one_processor_nothing_is_gained(monkeypatch):
    monkeypatch.setattr(os, "cpu_count", lambda: 1)
    assert checks.parts(["--fast"]) == [["--fast"]]
