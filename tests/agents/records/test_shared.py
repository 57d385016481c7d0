"""The parsers on the openly licensed files themselves, where they are at hand."""

import os
from pathlib import Path

import pytest

from agents.records import Rejection, read

SHARED = Path(os.environ.get("ROUNDS_SHARED", Path(__file__).resolve().parents[4] / "shared")) / "data"
pytestmark = [
    pytest.mark.shared,
    pytest.mark.skipif(not SHARED.is_dir(), reason=f"the shared data folder {SHARED} is not there"),
]

FILES = {  # format, path, records in the file (README of the data), most that may be rejected
    "agentclinic": ("cases/agentclinic_medqa.jsonl", 107, 0),
    "medrbench": ("cases/medrbench_dev.jsonl", 127, 8),
    "avey": ("cases/avey_vignettes_dev.jsonl", 69, 5),
    "mediq": ("cases/icraft_md_dev.jsonl", 52, 2),
    "healthbench": ("cases/healthbench_dev15.jsonl", 15, 0),
    "primock57": ("cases/primock57_dev.jsonl", 21, 0),
    "acibench": ("cases/acibench_valid20.csv", 20, 0),
    "ddxplus": ("knowledge/ddxplus/val_588_balanced_en_icd10.csv", 588, 90),
    "eicu": ("ehr/eicu_demo_subset", 174, 60),
    "fhir": ("fhir/carebundle", 6, 0),
}


@pytest.mark.parametrize("name", FILES)
def test_every_record_is_accepted_or_rejected_with_a_reason(name: str) -> None:
    path, count, most_rejected = FILES[name]
    parsed = list(read(name, SHARED / path))
    rejected = [item for item in parsed if isinstance(item, Rejection)]
    assert len(parsed) == count
    assert len(rejected) <= most_rejected, rejected[:5]
    assert all(rejection.reason for rejection in rejected)
    ids = [record.id for record in parsed if not isinstance(record, Rejection)]
    assert len(ids) == len(set(ids))
