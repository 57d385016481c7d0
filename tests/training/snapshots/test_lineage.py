"""Lineage both ways: which versions a case is in, and which feedback a version learned from."""

from __future__ import annotations

import pytest

from clinic.models import FeedbackUse
from tests.clinic import factories as make
from tests.training.snapshots.factories import accepted, learned
from training import lineage, snapshots
from training.models import Run

pytestmark = pytest.mark.django_db


def finished(snapshot, trainer="sft", **fields) -> Run:
    version = make.make_version(status="candidate")
    return Run.objects.create(
        site=make.default_site(), trainer=trainer, recipe="default", snapshot=snapshot, version=version,
        status="succeeded", folder=version.version, **fields,
    )  # fmt: skip


def test_use_is_written_once_with_the_weight_it_had():
    person = make.make_user("annotator")
    rows = [learned(0, by=person), learned(1, by=person), learned(2), learned(3)]
    run = finished(snapshots.make(site=make.default_site(), by=None))
    assert lineage.record_use(run=run, version=run.version) == 4
    assert lineage.record_use(run=run, version=run.version) == 4
    assert FeedbackUse.objects.count() == 4
    assert FeedbackUse.objects.get(feedback=rows[0]).weight == 0.5
    assert set(lineage.feedback_of(run.version)) == set(rows)


def test_only_what_the_trainer_reads_was_used():
    rated, followed = learned(0), accepted(1)
    made = snapshots.make(site=make.default_site(), by=None)
    for trainer, expected in (("grpo", {rated}), ("dpo", {rated}), ("sft", {rated, followed}), ("world", set())):
        run = finished(made, trainer)
        assert lineage.record_use(run=run, version=run.version) == len(expected)
        assert set(lineage.feedback_of(run.version)) == expected
    found = {v.run.trainer for v in lineage.versions_with_case(followed.consultation.case)}
    assert found == {"sft"}
    assert {v.run.trainer for v in lineage.versions_with_case(rated.consultation.case)} == {"grpo", "dpo", "sft"}


def test_a_version_that_went_on_from_one_holds_the_case_too():
    one, other = learned(0), learned(1)
    made = snapshots.make(site=make.default_site(), by=None)
    first = finished(made)
    lineage.record_use(run=first, version=first.version)
    without = snapshots.rebuild(snapshot=made, without=[one.consultation.case.key], by=None)
    second = finished(without, start=first.version)
    third = finished(without, start=second.version)
    clean = finished(without)
    for run in (second, third, clean):
        lineage.record_use(run=run, version=run.version)
    assert set(lineage.versions_with_case(one.consultation.case)) == {first.version, second.version, third.version}
    assert lineage.direct_versions(site=made.site, key=one.consultation.case.key) == {first.version.pk}
    assert clean.version in lineage.versions_with_case(other.consultation.case)


def test_another_sites_case_of_the_same_key_is_another_case():
    one = learned(0)
    run = finished(snapshots.make(site=make.default_site(), by=None))
    lineage.record_use(run=run, version=run.version)
    twin = make.make_case(site=make.make_site(), key=one.consultation.case.key)
    assert not lineage.versions_with_case(twin).exists()
