"""Rubrics imported as drafts, exported again, from commands and from the page."""

import json
from io import StringIO

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from django.urls import reverse

from agents.rubric_formats import RubricRow, read
from clinic.models import Role, Rubric, RubricStatus, RubricVersion
from clinic.services import rubric_files, rubrics
from clinic.services.errors import Refused
from tests.clinic.annotation.factories import make_rubric
from tests.clinic.factories import default_site, make_case, make_site, make_user

pytestmark = pytest.mark.django_db
DIAGBENCH = {"n1": [{"criterion": "Orders an ECG.", "points": 7}], "n2": [{"criterion": "Asks.", "points": 3}]}


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "rubrics.json"
    path.write_text(json.dumps(DIAGBENCH))
    return path


def command(name, *arguments, **options):
    out = StringIO()
    call_command(name, *map(str, arguments), "--json", stdout=out, **options)
    return json.loads(out.getvalue().splitlines()[-1])


def test_imported_twice_and_changed(file):
    make_case(site=default_site(), key="n1")
    said = command("import_rubrics", "diagbench", file)
    assert {name: said[name] for name in ("read", "accepted", "updated", "unchanged")} == {
        "read": 2, "accepted": 1, "updated": 0, "unchanged": 0,
    }  # fmt: skip
    assert said["rejected"] == [{"record": "n2", "reason": "there is no case n2 at this site: import the cases first"}]
    version = RubricVersion.objects.get()
    assert (version.status, version.origin, version.rubric.case.key) == ("writing", "imported", "n1")
    assert version.source["file"] == "rubrics.json"
    assert command("import_rubrics", "diagbench", file)["unchanged"] == 1
    file.write_text(json.dumps({"n1": [{"criterion": "Orders an ECG.", "points": 9}]}))
    (still,) = command("import_rubrics", "diagbench", file)["rejected"]
    assert "still being written" in still["reason"]
    rubrics.publish(version=version, by=make_user(Role.ANNOTATOR))
    assert command("import_rubrics", "diagbench", file)["updated"] == 1
    assert [v.number for v in Rubric.objects.get().versions.all()] == [2, 1]


def test_out_and_in_again(tmp_path):
    make_rubric(title="Kept", status=RubricStatus.WRITING)
    version = make_rubric(title="In force")
    path = tmp_path / "out.jsonl"
    assert command("export_rubrics", "rounds", path)["rubrics"] == 1
    (row,) = read("rounds", path)
    assert isinstance(row, RubricRow)
    assert (row.title, [c.key for c in row.criteria]) == ("In force", ["ecg", "names", "repeats"])
    elsewhere = make_site()
    report = rubric_files.import_file(format="rounds", path=path, site=elsewhere, by=None)
    assert report.accepted == 1
    again = RubricVersion.objects.get(rubric__site=elsewhere)
    columns = ("key", "text", "points", "axis", "never")
    assert list(again.criteria.values_list(*columns)) == list(version.criteria.values_list(*columns))


def test_back_at_its_own_site_it_is_the_same_rubric(tmp_path):
    version = make_rubric(title="In force")
    path = tmp_path / "out.json"
    for format_name in ("rounds", "fhir"):
        command("export_rubrics", format_name, path)
        assert command("import_rubrics", format_name, path)["unchanged"] == 1
    path.write_text(path.read_text().replace("Orders an electrocardiogram", "Orders an ECG"))
    assert command("import_rubrics", "fhir", path)["updated"] == 1
    assert [v.number for v in version.rubric.versions.all()] == [2, 1]


def test_cases_are_found_as_they_were_imported(tmp_path):
    make_case(site=default_site(), key="diagbench:n1")
    path = tmp_path / "r.json"
    path.write_text(json.dumps(DIAGBENCH))
    assert command("import_rubrics", "diagbench", path)["accepted"] == 1


def test_what_a_format_cannot_say_is_refused(tmp_path):
    make_rubric()
    with pytest.raises(CommandError, match="penalties"):
        command("export_rubrics", "diagbench", tmp_path / "x")


def test_a_command_says_what_is_wrong(tmp_path):
    default_site()
    with pytest.raises(CommandError, match="no file"):
        command("import_rubrics", "rounds", tmp_path / "none")
    with pytest.raises(CommandError, match="Unknown format"):
        command("import_rubrics", "word", tmp_path)


def test_others_import_nothing(file):
    for person in (make_user(Role.CLINICIAN), make_user(Role.ANNOTATOR, site=make_site())):
        with pytest.raises(Refused):
            rubric_files.import_file(format="diagbench", path=file, site=default_site(), by=person)


def test_from_the_page_and_back(client, file):
    physician = make_user(Role.ANNOTATOR)
    client.force_login(physician, backend="clinic.accounts.ClinicBackend")
    make_case(site=physician.site, key="n1")
    upload = SimpleUploadedFile("mine.json", file.read_bytes())
    page = client.post(reverse("rubric_import"), {"format": "diagbench", "file": upload})
    assert b"mine.json" in page.content
    assert b"1 accepted as drafts" in page.content
    assert b"there is no case n2" in page.content
    version = RubricVersion.objects.get()
    for name in ("rounds", "fhir", "healthbench", "diagbench"):
        answer = client.get(reverse("rubric_export", args=[version.pk]), {"format": name})
        assert "attachment" in answer["Content-Disposition"]
        assert b"Orders an ECG." in answer.content
    assert client.get(reverse("rubric_export", args=[version.pk]), {"format": "word"}).status_code == 404


def test_a_bad_upload_is_a_sentence(client):
    client.force_login(make_user(Role.ANNOTATOR), backend="clinic.accounts.ClinicBackend")
    for upload in ({}, {"file": SimpleUploadedFile("bad.json", b"{"), "format": "diagbench"}):
        page = client.post(reverse("rubric_import"), upload, follow=True)
        assert page.status_code == 200
        assert b"notice error" in page.content
    assert b"bad.json" in page.content
