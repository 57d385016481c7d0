"""A withdrawal after the snapshot is shown on it and refuses a run; a purged case leaves its files too."""

from __future__ import annotations

import pytest
from django.core.management import call_command

from clinic.models import Case, Feedback, FeedbackUse
from clinic.services import approval, cases, feedback
from clinic.services.errors import Refused
from tests.clinic import factories as make
from tests.training.factories import make_evaluated, make_evaluation
from tests.training.snapshots.factories import admin, learned
from training import lineage, places, snapshots
from training.models import Run, Snapshot
from training.snapshots import current, files

pytestmark = pytest.mark.django_db


@pytest.fixture
def held():
    """(four rows of feedback, their snapshot)."""
    rows = [learned(number) for number in range(4)]
    return rows, snapshots.make(site=make.default_site(), by=None, name="Four")


def test_withdrawn_quarantined_and_taken_back_make_it_stale(held):
    (one, two, three, _), made = held
    snapshots.check_current(made)
    assert current.stale(made) == {}
    feedback.withdraw(feedback=one, by=one.by)
    feedback.allow(feedback=two, by=two.by, consent=False)
    approval.quarantine(ids=[three.pk], by=make.make_user("adjudicator"), reason="A test")
    assert current.stale(made) == {"quarantined": 1, "taken back from training": 1, "withdrawn": 1}
    with pytest.raises(Refused, match="1 row was quarantined, 1 row was taken back from training, 1 row was withdrawn"):
        snapshots.check_current(made)


def test_a_case_that_is_measured_on_later_makes_it_stale(held):
    (one, *_), made = held
    make_evaluated(make_evaluation(), case=one.consultation.case.key)
    with pytest.raises(Refused, match="put aside for measuring"):
        snapshots.check_current(made)


def test_rebuilt_without_what_was_withdrawn_and_without_a_case(held):
    (one, two, *rest), made = held
    feedback.withdraw(feedback=one, by=one.by)
    learned(4)
    again = snapshots.rebuild(snapshot=made, without=[two.consultation.case.key], by=admin())
    assert {row["id"] for row in again.manifest["feedback"]} == {str(row.pk) for row in rest}, "and nothing new"
    assert again.rebuilt_from == made
    assert again.without == [two.consultation.case.key]
    snapshots.check_current(again)
    assert snapshots.rebuild(snapshot=made, without=[two.consultation.case.key], by=admin()).pk == again.pk
    further = snapshots.rebuild(snapshot=again, without=[rest[0].consultation.case.key], by=admin())
    assert further.without == sorted([two.consultation.case.key, rest[0].consultation.case.key])
    with pytest.raises(Refused, match="There is no case demo:none"):
        snapshots.rebuild(snapshot=made, without=["demo:none"], by=admin())
    with pytest.raises(Refused, match="Only an administrator"):
        snapshots.rebuild(snapshot=made, by=make.make_user("adjudicator"))


def test_the_difference_of_two(held):
    (one, two, *_), made = held
    feedback.withdraw(feedback=one, by=one.by)
    again = snapshots.rebuild(snapshot=made, without=[two.consultation.case.key], by=None)
    found = snapshots.diff(made, again)
    assert set(found.removed) == {str(one.pk), str(two.pk)}
    assert found.added == []
    assert found.why[str(one.pk)] == "withdrawn by who gave it"
    assert found.why[str(two.pk)] == "its case was asked to be left out"
    assert set(found.cases_removed) == {one.consultation.case.key, two.consultation.case.key}
    assert {name: pair for name, pair in found.formats.items() if name == "dpo"} == {"dpo": (4, 2)}
    assert found.settings == {"without": ([], [two.consultation.case.key])}
    assert len(found.rubrics_removed) == 2
    back = snapshots.diff(again, made)
    assert back.added == found.removed
    assert snapshots.diff(made, made).same
    assert not any([snapshots.diff(made, made).removed, snapshots.diff(made, made).formats])


def test_weights_that_change_are_in_the_difference():
    person = make.make_user("annotator")
    rows = [learned(0, by=person), learned(1, by=person), learned(2), learned(3)]
    made = snapshots.make(site=make.default_site(), by=None)
    again = snapshots.rebuild(snapshot=made, without=[rows[1].consultation.case.key], by=None)
    assert snapshots.diff(made, again).reweighed == {str(rows[0].pk): ("1/2", "1")}


@pytest.mark.django_db(transaction=True)
def test_a_purged_case_leaves_rows_and_files_and_its_lineage_stays_known(capsys):
    rows = [learned(number) for number in range(2)]
    made = snapshots.make(site=make.default_site(), by=None)
    version = make.make_version(status="candidate", version="dx-learned")
    run = Run.objects.create(
        site=made.site, trainer="sft", recipe="default", snapshot=made, version=version, status="succeeded"
    )
    Run.objects.filter(pk=run.pk).update(folder=f"{run.pk}/2")
    for attempt in (1, 2):
        (places.runs() / str(run.pk) / str(attempt)).mkdir(parents=True)
        (places.runs() / str(run.pk) / str(attempt) / "data.jsonl").write_text("what the case said")
    assert lineage.record_use(run=run, version=version) == 2
    case = rows[0].consultation.case
    folder = files.folder_of(made)
    assert case.history["hpi"] in (folder / "sft.jsonl").read_text()
    call_command("delete_case", case=case.key, json=True)
    with pytest.raises(Refused, match="1 row was deleted with their cases"):
        snapshots.check_current(made)
    assert folder.exists(), "hidden, and can be shown again"
    call_command("delete_case", case=case.key, purge=True, json=True)
    assert not Case.objects.filter(key=case.key).exists()
    assert not Feedback.objects.filter(pk=rows[0].pk).exists()
    assert FeedbackUse.objects.count() == 1
    assert not folder.exists()
    with pytest.raises(Refused, match="1 row was removed with their cases"):
        snapshots.check_current(made)
    with pytest.raises(Refused, match="not here any more"):
        snapshots.rows(made, "sft")
    assert list(lineage.versions_with_key(site=made.site, key=case.key)) == [version]
    assert not list(places.runs().rglob("data.jsonl")), "no try of the run keeps what the case said"
    again = snapshots.rebuild(snapshot=made, by=None)
    snapshots.check_current(again)
    assert [row["id"] for row in again.manifest["feedback"]] == [str(rows[1].pk)]
    assert Snapshot.objects.count() == 2


def test_no_purge_while_a_run_learns_from_it(held):
    (one, *_), made = held
    Run.objects.create(site=made.site, trainer="sft", recipe="default", snapshot=made, folder="r2", name="Night run")
    case = one.consultation.case
    cases.delete(case=case, by=None)
    with pytest.raises(Refused, match="Cancel Night run"):
        cases.purge(case=case, by=None)
    assert Case.objects.filter(pk=case.pk).exists()
