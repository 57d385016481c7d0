"""Five synthetic admissions, written for this test, become the rows of the golden file."""

import json
import shutil
from pathlib import Path

import pytest

from agents.records import UnreadableFile
from agents.records.base import Rejection
from training.worlds import cohort, rows, sources
from training.worlds.ranges import Ranges

GOLDEN = Path(__file__).parent / "golden"


@pytest.fixture(scope="module")
def built():
    return cohort.collect(sources.rows(sources.Wanted("admissions", GOLDEN / "admissions.json")))


def test_rows_are_the_golden_ones(built):
    assert [row.as_dict() for row in built.rows] == [row.as_dict() for row in rows.read(GOLDEN / "expected.jsonl")]


def test_every_admission_is_accepted_or_rejected_with_a_reason(built):
    assert built.seen == 5
    assert {one.record: one.reason for one in built.rejected} == {
        "90000003-DS-1": "the opening names the diagnosis (Gout)",
        "90000004-DS-1": "no physical examination",
    }


def _named(row):
    return [[event.name for event in group] for group in row.groups]


def test_the_window_holds_a_day_before_admission_and_nothing_later(built):
    names = [name for group in _named(built.rows[0]) for name in group]
    assert "C-reactive protein" in names  # on the stroke of 24 hours
    assert "D-dimer" not in names  # a minute more
    assert "Blood culture" not in names  # after admission


def test_the_first_result_stays(built):
    panel = next(event for event in built.rows[0].events if event.name == "Basic metabolic panel")
    assert "Sodium: Value: 133" in panel.result
    assert "139" not in panel.result


def test_a_result_without_an_interval_gets_the_published_one(built):
    panel = next(event for event in built.rows[0].events if event.name == "Basic metabolic panel")
    assert "Potassium: Value: 4.2; Numeric Value: 4.2; Units: mmol/L; Reference Range: 3.5 - 5.0" in panel.result


def test_stays_of_one_person_have_one_patient_and_one_split(built):
    first, second = built.rows[:2]
    assert first.patient == second.patient == "90000001"
    assert first.split == second.split


def test_rows_are_credentialed_whatever_is_asked(built):
    assert built.access == "credentialed"
    with pytest.raises(sources.Unasked, match="credentialed"):
        list(sources.rows(sources.Wanted("admissions", GOLDEN / "admissions.json", access="public")))


def test_prepared_notes_keep_names_and_steps(tmp_path):
    note = json.loads((GOLDEN / "admissions.json").read_text())["90000001-DS-1"]
    note.pop("admission_time")
    note["events"] = [{**event, "time": n // 2} for n, event in enumerate(note["events"][:4])]
    (tmp_path / "data.json").write_text(json.dumps({"90000001-DS-1": note}))
    (row,) = sources.rows(sources.Wanted("published", tmp_path))
    assert _named(row) == [["Vital signs", "Lungs"], ["Chest X-ray", "Sodium"], ["Potassium", "Creatinine"]]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"text": "Chief Complaint: Cough"}, "the note has no 'Physical Exam:'"),
        ({"text": "Physical Exam:\nPale."}, "nothing is told before the first examination"),
        ({"reformat_physical_exam": None}, "no physical examination"),
        ({"discharge_diagnosis": " "}, "no diagnosis"),
        ({"admission_time": None}, "no admission time, or an event without one"),
        ({"discharge_diagnosis": "Hypertension"}, "the opening names the diagnosis (Hypertension)"),
        (
            {"text": "Chief Complaint: Elective hip replacement surgery\n\nPhysical Exam:"},
            "the chief complaint is a procedure",
        ),
    ],
)
def test_unusable_notes_are_rejected(tmp_path, change, reason):
    note = json.loads((GOLDEN / "admissions.json").read_text())["90000001-DS-1"]
    (tmp_path / "data.json").write_text(json.dumps({"1-DS-1": {**note, **change}}))
    assert list(sources.rows(sources.Wanted("admissions", tmp_path / "data.json"))) == [Rejection("1-DS-1", reason)]


def test_what_is_no_object_of_notes_is_refused(tmp_path):
    (tmp_path / "data.json").write_text("[1]")
    with pytest.raises(UnreadableFile, match="not an object of notes"):
        list(sources.rows(sources.Wanted("published", tmp_path / "data.json")))


def test_intervals_are_added_only_where_they_are_known(tmp_path):
    shutil.copy(GOLDEN / "reference_range.json", tmp_path)
    ranges = Ranges.of(tmp_path / "reference_range.json")
    text = "Haemoglobin: Value: 9; Numeric Value: 9.0; Units: g/dL\nPlatelets: Value: 80; Numeric Value: 80.0\nClotted."
    assert ranges.added("Complete blood count", text).splitlines() == [
        "Haemoglobin: Value: 9; Numeric Value: 9.0; Units: g/dL; Reference Range: 12.0 - 16.0",
        "Platelets: Value: 80; Numeric Value: 80.0",
        "Clotted.",
    ]
    assert ranges.added("Other panel", text) == text
