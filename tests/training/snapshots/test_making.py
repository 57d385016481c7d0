"""A snapshot: the same feedback freezes to the same bytes, and everything left out is listed with its reason."""

from __future__ import annotations

import json
from fractions import Fraction

import pytest

from clinic.models import AuditEntry, CaseKind, Role
from clinic.services import approval, feedback
from clinic.services.errors import Refused
from tests.clinic import factories as make
from tests.clinic.training_rows.played import played, rated, said
from tests.training.factories import make_evaluated, make_evaluation
from tests.training.snapshots.factories import COMPLAINTS, accepted, admin, learned, other_case
from training import places, snapshots
from training.gates import sealed
from training.models import Gate, Snapshot, Split
from training.snapshots import files

pytestmark = pytest.mark.django_db


def frozen(**fields) -> Snapshot:
    site = fields.pop("site", None) or make.default_site()
    return snapshots.make(site=site, by=None, **fields)


def contents(snapshot: Snapshot) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(files.folder_of(snapshot).iterdir())}


def test_the_same_feedback_gives_the_same_row_digest_and_bytes(own_home, monkeypatch):
    for number in range(4):
        learned(number)
    first = frozen(name="First")
    again = frozen(name="Again")
    assert again.pk == first.pk
    assert Snapshot.objects.count() == 1
    kept = contents(first)
    assert set(kept) == {"manifest.json", "sft.jsonl", "dpo.jsonl", "kto.jsonl", "grpo.jsonl"}
    Snapshot.objects.all().delete()
    monkeypatch.setenv("ROUNDS_HOME", str(own_home / "elsewhere"))
    anew = frozen()
    assert anew.digest == first.digest
    assert contents(anew) == kept
    told = json.loads(kept["manifest.json"])
    assert told == anew.manifest
    for name, one in told["formats"].items():
        assert files.sha256(kept[f"{name}.jsonl"]) == one["sha256"]
        assert one["rows"] == len(kept[f"{name}.jsonl"].splitlines()) > 0
    assert files.sha256(files.canonical(told).encode()) == anew.digest == anew.folder


def test_one_row_more_is_another_snapshot():
    learned(0)
    first = frozen()
    learned(1)
    assert frozen().digest != first.digest


def test_lineage_rows_weights_and_audit():
    person = make.make_user(Role.ANNOTATOR)
    rows = [learned(0, by=person), learned(1, by=person), learned(2), learned(3)]
    made = frozen()
    kept = {row.feedback_id: row for row in made.feedback_rows.all()}
    assert set(kept) == {row.pk for row in rows}
    assert [kept[row.pk].weight for row in rows] == [0.5, 0.5, 1.0, 1.0], "three people: nobody above a third"
    shares = sum(Fraction(one["share"]) for one in made.manifest["annotators"])
    assert shares == 1
    assert {row.key for row in made.case_rows.all()} == {row.consultation.case.key for row in rows}
    assert made.manifest["rubric_versions"]
    assert AuditEntry.objects.get(action="snapshot.made").data["feedback"] == 4


def test_what_may_not_be_learned_from_is_listed_by_id():
    good = learned(0)
    unapproved = feedback.give(kind="comment", by=make.make_user(), consultation=good.consultation)
    without = learned(1)
    feedback.allow(feedback=without, by=without.by, consent=False)
    gone = learned(2)
    feedback.withdraw(feedback=gone, by=gone.by)
    bad = learned(3)
    approval.quarantine(ids=[bad.pk], by=make.make_user(Role.ADJUDICATOR), reason="A test of the software")
    silent = said(played(case=other_case(4)), 3, "comment")
    told = frozen().manifest
    assert [row["id"] for row in told["feedback"]] == [str(good.pk)]
    assert told["excluded"] == {
        "not approved yet": [str(unapproved.pk)],
        "no consent to learn from it": [str(without.pk)],
        "withdrawn by who gave it": [str(gone.pk)],
        "quarantined": [str(bad.pk)],
        "says nothing that a format can carry": [str(silent.pk)],
    }
    assert told["consent"] == {"given": 1, "missing": 1}


def test_a_real_patients_case_never_gets_in():
    learned(0)
    held = played(case=make.make_case(CaseKind.PATIENT))
    row = feedback.give(
        kind="accepted", by=held.clinician, consultation=held, turn=held.turns.get(number=3), consent=True
    )
    approval.approve(ids=[row.pk], by=make.make_user(Role.ADJUDICATOR))
    told = frozen().manifest
    assert told["excluded"]["a real patient's case"] == [str(row.pk)]
    assert held.case.key not in json.dumps(told["cases"])


def test_near_duplicates_are_removed_and_listed():
    first, second = other_case(0), other_case(0)
    second.history = {"hpi": first.history["hpi"].replace("already", "yesterday")}
    second.save()
    kept, dropped = learned(case=first), learned(case=second)
    apart = learned(1)
    told = frozen().manifest
    assert {row["id"] for row in told["feedback"]} == {str(kept.pk), str(apart.pk)}
    assert told["removed"] == [{"case": second.key, "reason": "nearly the same as another case here", "of": first.key}]
    assert told["excluded"]["nearly the same as another case here"] == [str(dropped.pk)]


def test_what_an_evaluation_was_on_is_leakage_and_so_is_what_reads_like_it():
    learned(0)
    case = other_case(1)
    near = learned(case=case)
    evaluation = make_evaluation(site=make.make_site())
    make_evaluated(evaluation, case="elsewhere:7", opening={"complaint": COMPLAINTS[1], "history": dict(case.history)})
    told = frozen().manifest
    assert told["removed"] == [
        {"case": case.key, "reason": "nearly the same as a case that is measured on", "of": "elsewhere:7"}
    ]
    assert str(near.pk) not in {row["id"] for row in told["feedback"]}


@pytest.mark.parametrize("seed", [0, 7])
def test_what_reads_like_a_sealed_patient_is_left_out_and_the_patient_is_not_named(seed):
    learned(0)
    patient = sealed.cases(4, seed=seed)[3].record
    case = other_case(1, complaint=patient.complaint, history=dict(patient.history))
    learned(case=case)
    if seed:
        assert frozen().manifest["removed"] == [], "no gate has played these patients"
        version, other = make.make_version(status="candidate"), make.make_version(status="candidate")
        Gate.objects.create(
            site=case.site,
            candidate=version,
            baseline=other,
            profile="standard",
            primary="reward",
            seed=seed,
            folder="g",
        )
    (found,) = frozen().manifest["removed"]
    assert found == {
        "case": case.key,
        "reason": "nearly the same as a case that is measured on",
        "of": "a sealed case of the gate",
    }


def test_another_case_of_a_person_who_is_measured_on_is_left_out():
    learned(0)
    evaluated = other_case(1, extra={"patient": "P7"})
    make_evaluated(make_evaluation(), case=evaluated.key)
    learned(case=other_case(2, extra={"patient": "P7"}))
    (found,) = frozen().manifest["removed"]
    assert found["reason"] == "the same person is measured on"


def test_all_cases_of_one_person_stand_in_one_split():
    cases = [other_case(n, extra={"patient": "P1"}) for n in range(3)] + [other_case(n) for n in range(3, 6)]
    for case in cases:
        learned(case=case)
    rows = frozen().case_rows.filter(key__in=[case.key for case in cases[:3]])
    assert len({(row.person, row.split) for row in rows}) == 1
    assert len(rows) == 3


def test_rows_by_split_carry_their_split():
    learned(0)
    kept_apart = learned(case=other_case(1, split=Split.VALIDATION))
    made = frozen()
    for format in ("sft", "dpo", "kto", "grpo"):
        train, both = list(snapshots.rows(made, format, "train")), list(snapshots.rows(made, format))
        (validation,) = {row["case"] for row in snapshots.rows(made, format, "validation")}
        assert validation == kept_apart.consultation.case.key
        assert {row["case"] for row in train}.isdisjoint({validation})
        assert len(train) == made.manifest["formats"][format]["train"] < len(both)


def test_nothing_left_is_refused_with_the_reasons():
    with pytest.raises(Refused, match="nobody has given any feedback yet"):
        frozen()
    held = played(case=other_case(0))
    feedback.give(kind="accepted", by=held.clinician, consultation=held, turn=held.turns.get(number=3))
    with pytest.raises(Refused, match="1 not approved yet"):
        frozen()
    learned(case=other_case(1, split=Split.VALIDATION))
    with pytest.raises(Refused, match="kept for validation"):
        frozen()
    assert not Snapshot.objects.exists()
    assert not places.snapshots().exists()


def test_only_the_sites_admin_makes_one():
    learned(0)
    for person in (make.make_user(Role.ADJUDICATOR), make.make_user(Role.RESEARCHER), admin(make.make_site())):
        with pytest.raises(Refused, match="Only an administrator"):
            snapshots.make(site=make.default_site(), by=person)
    assert snapshots.make(site=make.default_site(), by=admin()).by is not None


def test_a_file_that_was_changed_is_never_read():
    learned(0)
    made = frozen()
    path = files.folder_of(made) / "sft.jsonl"
    path.write_text(path.read_text().replace("D-dimer", "D-dimeR"))
    with pytest.raises(Refused, match="not what was frozen"):
        snapshots.rows(made, "sft")
    assert list(snapshots.rows(made, "kto"))
    frozen()
    assert list(snapshots.rows(made, "sft")), "made again, the files are as frozen"
    path.unlink()
    with pytest.raises(Refused, match="not here any more"):
        snapshots.rows(made, "sft")
    with pytest.raises(Refused, match="no rows of the format csv"):
        snapshots.rows(made, "csv")


def test_one_sites_feedback_stays_there():
    learned(0)
    there = make.make_site()
    other = learned(case=other_case(1, site=there))
    assert {row["id"] for row in frozen(site=there).manifest["feedback"]} == {str(other.pk)}


def test_a_format_that_carries_nothing_is_an_empty_file():
    accepted(0)
    told = frozen().manifest["formats"]
    assert (told["dpo"]["rows"], told["grpo"]["rows"]) == (0, 0)
    assert told["sft"]["rows"] == told["kto"]["rows"] == 1


def test_cases_can_be_left_out_from_the_start():
    kept, left = learned(0), learned(1)
    told = frozen(without=[left.consultation.case.key]).manifest
    assert [row["id"] for row in told["feedback"]] == [str(kept.pk)]
    assert told["excluded"] == {"its case was asked to be left out": [str(left.pk)]}
    assert told["without"] == [left.consultation.case.key]
    assert left.consultation.case.key not in json.dumps(told["cases"])


def test_two_physicians_on_one_case_are_one_grpo_row_and_two_rows_of_feedback():
    first = learned(0)
    rated(first.consultation, {"ecg": "not_met"}, version=first.annotation.rubric_version)
    told = frozen()
    (row,) = snapshots.rows(told, "grpo")
    assert len(row["feedback"]) == 2
    assert len(told.manifest["feedback"]) == 2
