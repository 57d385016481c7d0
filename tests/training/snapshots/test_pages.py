"""Pages of snapshots and lineage: what an administrator sees and presses, and what a command prints."""

from __future__ import annotations

import json

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

from clinic.services import cases, feedback
from tests.clinic import factories as make
from tests.training.snapshots.factories import learned
from training import lineage, snapshots
from training.models import Run, Snapshot

pytestmark = pytest.mark.django_db


@pytest.fixture
def admin() -> Client:
    client = Client()
    client.force_login(make.make_user("admin"), backend="clinic.accounts.ClinicBackend")
    return client


@pytest.fixture
def rows():
    return [learned(number) for number in range(3)]


def page(client: Client, name: str, *arguments, **query) -> str:
    answer = client.get(reverse(f"training:{name}", args=arguments), query)
    assert answer.status_code == 200
    return answer.content.decode()


def test_empty_list_says_what_comes_next(admin):
    assert "No snapshot yet" in page(admin, "snapshot_list")
    answer = admin.post(reverse("training:snapshot_make"), follow=True).content.decode()
    assert "nobody has given any feedback yet" in answer


def test_made_shown_withdrawn_rebuilt_and_compared(admin, rows):
    made = admin.post(reverse("training:snapshot_make"), {"name": "August"}, follow=True).content.decode()
    assert "Frozen." in made
    one = Snapshot.objects.get()
    assert (one.name, one.by.role) == ("August", "admin")
    assert "Nothing has changed since" in admin.post(reverse("training:snapshot_make"), follow=True).content.decode()
    shown = page(admin, "snapshot_detail", one.pk)
    assert one.digest in shown
    for row in rows:
        assert row.consultation.case.key in shown
        assert row.by.last_name not in shown, "no annotator's name"
    assert "Current" in page(admin, "snapshot_list")
    feedback.withdraw(feedback=rows[0], by=rows[0].by)
    assert "1 row was withdrawn since this snapshot was made" in page(admin, "snapshot_detail", one.pk)
    assert "1 withdrawn since" in page(admin, "snapshot_list")
    key = rows[1].consultation.case.key
    admin.post(reverse("training:snapshot_rebuild", args=[one.pk]), {"without": [key]})
    two = Snapshot.objects.exclude(pk=one.pk).get()
    told = page(admin, "snapshot_diff", a=one.pk, b=two.pk)
    assert "withdrawn by who gave it" in told
    assert "its case was asked to be left out" in told
    assert "It is the same snapshot" in page(admin, "snapshot_diff", a=one.pk, b=one.pk)
    refused = admin.post(reverse("training:snapshot_rebuild", args=[two.pk]), {"without": [key]}, follow=True)
    assert f"There is no case {key} in this snapshot" in refused.content.decode()


def test_a_list_of_many_asks_few_questions(admin, rows, django_assert_max_num_queries):
    one = snapshots.make(site=make.default_site(), by=None)
    for row in rows[:2]:
        snapshots.rebuild(snapshot=one, without=[row.consultation.case.key], by=None)
    page(admin, "snapshot_list")
    with django_assert_max_num_queries(8):
        shown = page(admin, "snapshot_list")
    assert shown.count("rebuilt from") == 2


def test_lineage_of_a_case_and_of_one_that_is_purged(admin, rows):
    made = snapshots.make(site=make.default_site(), by=None)
    first, second = make.make_version(status="candidate"), make.make_version(status="candidate")
    run = Run.objects.create(
        site=made.site, trainer="sft", recipe="default", snapshot=made, version=first, status="succeeded", folder="a"
    )
    lineage.record_use(run=run, version=first)
    Run.objects.create(site=made.site, trainer="grpo", recipe="default", start=first, version=second,
                       status="succeeded", folder="b")  # fmt: skip
    case = rows[0].consultation.case
    shown = page(admin, "lineage_case", case=case.key)
    assert "Learned from it" in shown
    assert "Went on from a version that did" in shown
    assert first.version in shown
    assert second.version in shown
    cases.delete(case=case, by=None)
    assert admin.get(reverse("training:lineage_case"), {"case": case.key}).status_code == 404, "hidden from everyone"
    cases.purge(case=case, by=None)
    shown = page(admin, "lineage_case", case=case.key)
    assert "only its key is left" in shown
    assert first.version in shown
    assert admin.get(reverse("training:lineage_case"), {"case": "demo:none"}).status_code == 404
    assert "Look it up" in page(admin, "lineage_case")


def test_commands(rows, capsys):
    call_command("make_snapshot", name="August", json=True)
    made = json.loads(capsys.readouterr().out)
    one = Snapshot.objects.get()
    assert (made["snapshot"], made["digest"], made["feedback"], made["made"]) == (str(one.pk), one.digest, 3, True)
    assert made["rows"]["dpo"] == {"train": 3, "validation": 0}
    call_command("make_snapshot", json=True)
    assert json.loads(capsys.readouterr().out)["made"] is False
    key = rows[0].consultation.case.key
    call_command("make_snapshot", without=[key], rebuild=one.digest[:8], json=True)
    again = json.loads(capsys.readouterr().out)
    assert again["left_out"] == {"its case was asked to be left out": 1}
    call_command("snapshot_diff", one.digest[:8], again["snapshot"], json=True)
    told = json.loads(capsys.readouterr().out)
    assert told["removed"] == [str(rows[0].pk)]
    assert told["cases_removed"] == [key]
    call_command("snapshot_diff", one.digest, one.digest)
    assert "same snapshot" in capsys.readouterr().out
    with pytest.raises(CommandError, match="no snapshot zzz"):
        call_command("snapshot_diff", "zzz", one.digest, json=True)
    assert json.loads(capsys.readouterr().out)["ok"] is False
    with pytest.raises(CommandError, match="More than one snapshot"):
        call_command("snapshot_diff", "", one.digest)
