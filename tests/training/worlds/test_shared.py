"""Cohorts from the openly licensed files themselves, where they are at hand."""

import os
from pathlib import Path

import pytest

from agents.world.grammar import parse, serialise
from training.worlds import cohort, sources

SHARED = Path(os.environ.get("ROUNDS_SHARED", Path(__file__).resolve().parents[4] / "shared")) / "data"
pytestmark = [
    pytest.mark.shared,
    pytest.mark.slow,
    pytest.mark.skipif(not SHARED.is_dir(), reason=f"the shared data folder {SHARED} is not there"),
]

FILES = {  # source: path, records, fewest accepted
    "medrbench": ("cases/medrbench_dev.jsonl", 127, 115),
    "agentclinic": ("cases/agentclinic_medqa.jsonl", 107, 100),
    "eicu": ("ehr/eicu_demo_subset", 174, 110),
    "fhir": ("fhir", 11, 1),
}


@pytest.mark.parametrize("source", FILES)
def test_every_record_becomes_a_row_or_has_a_reason(source):
    path, count, fewest = FILES[source]
    built = cohort.collect(sources.rows(sources.Wanted(source, SHARED / path)))
    cohort.check(built)
    assert built.seen == count
    assert len(built.rows) >= fewest, [one.reason for one in built.rejected]
    assert all(one.reason for one in built.rejected)
    for row in built.rows:
        assert parse(serialise(row.profile, row.events)) == (row.profile, row.events)
