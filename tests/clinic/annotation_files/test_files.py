"""What is written is read again without loss; CSV is safe; FHIR is R4; nothing of real patients gets out."""

from __future__ import annotations

import csv
import io
import json

import pytest
from django.core.management import CommandError, call_command
from fhir.resources.R4B.questionnaireresponse import QuestionnaireResponse

from clinic.fhir.questionnaire_response import response_of
from clinic.learnable import forbids
from clinic.models import (
    Annotation,
    AnnotationOrigin,
    AnnotationQueue,
    AuditEntry,
    CaseKind,
    Feedback,
    Preference,
    QueueItem,
    Rating,
    Role,
)
from clinic.services import annotation_exports, annotation_imports, approval, feedback, rubric_files
from tests.clinic import factories as make
from tests.clinic.annotation import factories as judged

pytestmark = pytest.mark.django_db
EVIDENCE = '=HYPERLINK("http://evil")'


@pytest.fixture
def site():
    return make.default_site()


def judgement(site, *, kind=CaseKind.VIRTUAL, **fields) -> Annotation:
    """Everything that a sheet can say."""
    item = judged.make_item(
        judged.make_queue(site=site, overlap=3, blind=False),
        consultation=make.make_consultation(case=make.make_case(kind, site=site)),
        stratum="fever",
    )
    fields = {
        "seconds": 61, "first_wrong_turn": 3, "correction_kind": "examination", "correction": "D-dimer",
        "harm": "moderate", "critique": "Late.\n\"Quoted\", β", "score": 1 / 3, "coverage": 0.75, **fields,
    }  # fmt: skip
    made = judged.make_annotation(item, None, {"ecg": "met", "names": "not_met"}, **fields)
    Rating.objects.filter(annotation=made, criterion__key="ecg").update(
        evidence=EVIDENCE, evidence_turn=2, reason="Said at once"
    )
    criterion = item.rubric_version.criteria.get(key="repeats")
    for turn in (1, 3):
        Rating.objects.create(annotation=made, criterion=criterion, turn=turn, verdict="cannot_tell")
    if made.annotator:
        made.feedback = feedback.give(
            kind="rating", by=made.annotator, consultation=item.consultation, data={"annotation": str(made.pk)}
        )
        made.save(update_fields=["feedback"])
    return made


def comparison(site) -> Annotation:
    case = make.make_case(site=site)
    item = judged.make_item(
        judged.make_queue(site=site, kind="preference"),
        consultation=make.make_consultation(case=case),
        other=make.make_consultation(case=case),
    )
    made = judged.make_annotation(item, swapped=True)
    Preference.objects.create(annotation=made, dimension="accuracy", choice="second", why="Named it")
    Preference.objects.create(annotation=made, dimension="language", choice="same")
    return made


def jsonl(site) -> str:
    return annotation_exports.write(site=site, format="jsonl", by=None).text


def take(site, text: str) -> dict:
    report = annotation_imports.import_lines(format="jsonl", lines=text.splitlines(), site=site, by=None).as_dict()
    done = report["accepted"] + report["updated"] + report["unchanged"] + len(report["rejected"])
    assert report["read"] == done
    return report


def test_written_deleted_and_read_again_is_the_same(site):
    made = [judgement(site, authoritative=True), comparison(site)]
    made.append(judgement(site, origin=AnnotationOrigin.JUDGE, judge={"model": "m", "prompt": "p"}))
    text = jsonl(site)
    assert len(text.splitlines()) == 3
    Annotation.objects.all().delete()
    QueueItem.objects.all().delete()
    AnnotationQueue.objects.all().delete()
    Feedback.objects.all().delete()
    assert take(site, text)["accepted"] == 3
    assert sorted(jsonl(site).splitlines()) == sorted(text.splitlines())
    assert set(Feedback.objects.values_list("status", flat=True)) == {"proposed"}, "nothing comes back approved"
    assert QueueItem.objects.get(annotations=made[0].pk).submitted == 1


def test_a_second_time_changes_nothing_and_a_changed_line_is_updated(site):
    made = judgement(site)
    text = jsonl(site)
    assert take(site, text)["unchanged"] == 1
    changed = json.loads(text) | {"critique": "Changed", "ratings": json.loads(text)["ratings"][:1]}
    assert take(site, json.dumps(changed))["updated"] == 1
    made.refresh_from_db()
    assert made.critique == "Changed"
    assert made.ratings.count() == 1
    assert take(site, json.dumps(changed))["unchanged"] == 1


@pytest.mark.parametrize("before", ["proposed", "approved"])
def test_what_an_import_changes_is_not_what_was_approved(site, before):
    made = judgement(site)
    if before == "approved":
        approval.approve(ids=[made.feedback_id], by=make.make_user(Role.ADJUDICATOR))
    text = jsonl(site)
    assert take(site, text)["unchanged"] == 1
    assert Feedback.objects.get().status == before
    changed = json.loads(text) | {"critique": "Changed", "consent": True}
    assert take(site, json.dumps(changed))["updated"] == 1
    old = Feedback.objects.get(pk=made.feedback_id)
    assert (old.status, old.history().last().reason) == ("quarantined", "changed by an import")
    new = Feedback.objects.get(annotation=made)
    assert (new.status, new.by, new.consent) == ("proposed", made.annotator, True)
    assert take(site, json.dumps(changed))["unchanged"] == 1, "the id of what it gave before is no change"
    assert Feedback.objects.count() == 2


def test_a_withdrawal_outlives_an_import_and_consent_is_not_given_by_one(site):
    gone, kept = judgement(site), judgement(site)
    lines = {json.loads(line)["id"]: json.loads(line) for line in jsonl(site).splitlines()}
    feedback.withdraw(feedback=gone.feedback, by=gone.annotator)
    feedback.allow(feedback=kept.feedback, by=kept.annotator, consent=False)
    take(site, "\n".join(json.dumps(line | {"critique": "Changed", "consent": True}) for line in lines.values()))
    assert Feedback.objects.get(annotation=gone).status == "withdrawn"
    assert not Feedback.objects.get(annotation=kept).consent


def test_an_approval_of_something_else_does_not_pass_to_an_imported_judgement(site):
    made = judgement(site)
    line = json.loads(jsonl(site))
    approval.approve(ids=[made.feedback_id], by=make.make_user(Role.ADJUDICATOR))
    Annotation.objects.all().delete()
    assert take(site, json.dumps(line | {"critique": "Changed"}))["accepted"] == 1
    assert Feedback.objects.get(annotation=made.pk).status == "proposed"
    Annotation.objects.all().delete()
    said = feedback.give(kind="accepted", by=made.annotator, consultation=made.item.consultation)
    report = take(site, json.dumps(line | {"feedback": str(said.pk)}))
    assert "belongs to another judgement" in report["rejected"][0]["reason"]


def test_two_consultations_of_different_cases_are_no_comparison(site):
    made = comparison(site)
    line = json.loads(jsonl(site))
    QueueItem.objects.all().delete()
    patient = make.make_consultation(case=make.make_case(CaseKind.PATIENT, site=site))
    report = take(site, json.dumps(line | {"other": str(patient.pk)}))
    assert "not of one case" in report["rejected"][0]["reason"]
    assert not Annotation.objects.filter(pk=made.pk).exists()


def test_a_comparison_with_a_patients_case_teaches_nothing(site):
    made = comparison(site)
    row = feedback.give(kind="preference", by=made.annotator, consultation=made.item.consultation)
    Annotation.objects.filter(pk=made.pk).update(feedback=row)
    assert forbids(Feedback.objects.get(pk=row.pk)) == ""
    patient = make.make_consultation(case=make.make_case(CaseKind.PATIENT, site=site))
    QueueItem.objects.filter(pk=made.item_id).update(other=patient)
    assert forbids(Feedback.objects.get(pk=row.pk)) == "patient"


def test_only_a_judges_verdict_can_be_an_error(site):
    judgement(site)
    judgement(site, origin=AnnotationOrigin.JUDGE, judge={"model": "m"})
    lines = [json.loads(line) for line in jsonl(site).splitlines()]
    for line in lines:
        line["ratings"][0]["verdict"] = "error"
    report = take(site, "\n".join(json.dumps(line) for line in lines))
    assert (report["updated"], len(report["rejected"])) == (1, 1)
    assert "verdict is not known" in report["rejected"][0]["reason"]
    assert Rating.objects.get(verdict="error").annotation.origin == AnnotationOrigin.JUDGE


@pytest.mark.parametrize("order", [("person", "adjudication"), ("adjudication", "person")])
def test_nobody_settles_by_a_file_what_they_judged(site, order):
    judgement(site)
    first = json.loads(jsonl(site)) | {"feedback": None}
    Annotation.objects.all().delete()
    again = first | {"id": "6a0f8b1e-0000-4000-8000-000000000001"}
    report = take(
        site, "\n".join(json.dumps(row | {"origin": o}) for row, o in zip((first, again), order, strict=True))
    )
    assert "both judged this item and settled it" in report["rejected"][0]["reason"]
    assert Annotation.objects.get().origin == order[0]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"format": "other"}, "not marked"),
        ({"id": "x"}, "id is no id"),
        ({"consultation": "6a0f8b1e-0000-4000-8000-000000000000"}, "consultation is not at this site"),
        ({"rubric_version": "6a0f8b1e-0000-4000-8000-000000000000"}, "version is not published"),
        ({"annotator": "nobody"}, "nobody at this site"),
        ({"annotator": None}, "nobody at this site"),
        ({"harm": "much"}, "harm is not known"),
        ({"score": "1"}, "score is not a number"),
        ({"critique": "a\u0000b"}, "critique is not a text"),
        ({"submitted_at": "2026-02-30T10:00:00Z"}, "no moment"),
        ({"submitted_at": "2026-01-01T10:00:00"}, "no moment"),
        ({"ratings": [{"criterion": "other", "turn": None, "verdict": "met", "evidence": "", "evidence_turn": None,
                       "reason": ""}]}, "no criterion other"),
        ({"ratings": [{"criterion": "ecg"}]}, "verdict is not known"),
        ({"queue": None}, "queue is not an object"),
    ],
)  # fmt: skip
def test_a_line_that_cannot_be_trusted_is_rejected_with_its_reason(site, change, why):
    judgement(site)
    text = jsonl(site)
    Annotation.objects.all().delete()
    report = take(site, json.dumps(json.loads(text) | change))
    assert why in report["rejected"][0]["reason"]
    assert not Annotation.objects.exists()


def test_one_line_after_another_and_no_second_judgement_of_one_person(site):
    made = judgement(site)
    first = json.loads(jsonl(site))
    again = first | {"id": "6a0f8b1e-0000-4000-8000-000000000001", "feedback": None}
    report = take(site, "\n".join(["{", json.dumps(first), json.dumps(first), json.dumps(again), ""]))
    assert [row["reason"].split(":")[0] for row in report["rejected"]] == [
        "not valid JSON", "the same id occurs earlier in this file", annotation_imports.TAKEN,
    ]  # fmt: skip
    assert report["unchanged"] == 1
    assert Annotation.objects.get() == made


def test_another_sites_rows_are_out_of_reach(site):
    elsewhere = make.make_site()
    made = judgement(elsewhere)
    text = jsonl(elsewhere)
    assert "another site" in take(site, text)["rejected"][0]["reason"]
    made.refresh_from_db()
    assert made.critique.startswith("Late")


def test_published_rows_have_criteria_and_no_verdicts(site, tmp_path):
    row = {"prompt_id": "p1", "prompt": [{"role": "user", "content": "Help"}],
           "rubrics": [{"criterion": "Advises care", "points": 5, "tags": []}]}  # fmt: skip
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps(row) + "\n{}\n", "utf-8")
    report = annotation_imports.import_file(format="healthbench", path=path, site=site, by=None).as_dict()
    assert (report["read"], report["accepted"], len(report["rejected"])) == (2, 0, 2)
    assert "import_rubrics" in report["rejected"][0]["reason"]


def test_csv_has_a_line_for_each_verdict_and_no_formula(site):
    judgement(site)
    comparison(site)
    written = annotation_exports.write(site=site, format="csv", by=None)
    rows = list(csv.DictReader(io.StringIO(written.text)))
    assert len(rows) == written.counts["rows"] == 6
    assert rows[0]["verdict"] == "met"
    assert rows[0]["evidence"] == f"'{EVIDENCE}"
    assert rows[0]["points"] == "8"
    assert [row["choice"] for row in rows[-2:]] == ["second", "same"]


@pytest.mark.parametrize("format", ["csv", "jsonl"])
def test_nothing_of_a_real_patient_or_withdrawn_gets_out(site, format):
    judgement(site, kind=CaseKind.PATIENT)
    gone = judgement(site)
    feedback.withdraw(feedback=gone.feedback, by=gone.annotator)
    written = annotation_exports.write(site=site, format=format, by=None)
    assert written.counts["used"] == 0
    assert written.counts["left_out"] == {"a real patient's case": 1, "withdrawn by who gave it": 1}
    assert "D-dimer" not in written.text


def test_the_commands_count_and_write(site, tmp_path, capsys):
    judgement(site)
    path = tmp_path / "out.jsonl"
    call_command("export_feedback", "jsonl", out=path, json=True)
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (told["rows"], told["read"], told["bytes"]) == (1, 1, path.stat().st_size)
    call_command("import_annotations", "jsonl", path, json=True)
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["unchanged"] == 1
    call_command("export_feedback", "kto", json=True)
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert told["left_out"] == {"not approved yet": 1}
    with pytest.raises(CommandError, match="no format"):
        call_command("export_feedback", "xml")
    assert AuditEntry.objects.filter(action="feedback.exported").count() == 2


@pytest.mark.parametrize("kind", [CaseKind.VIRTUAL, CaseKind.PATIENT])
def test_the_questionnaire_response_is_r4_and_complete(site, kind):
    made = judgement(site, kind=kind)
    found = response_of(made)
    QuestionnaireResponse.model_validate(json.loads(json.dumps(found)))
    links = [item["linkId"] for item in found["item"]]
    assert len(links) == len(set(links))
    ecg = next(item for item in found["item"] if item["linkId"] == "ecg")
    assert ecg["answer"][0]["valueCoding"]["code"] == "met"
    assert ecg["answer"][0]["item"][0]["answer"] == [{"valueString": EVIDENCE}]
    repeats = next(item for item in found["item"] if item["linkId"] == "repeats")
    assert [answer["item"][0]["answer"][0]["valueInteger"] for answer in repeats["answer"]] == [1, 3]
    assert {"whole/first-wrong-turn", "whole/harm", "whole/score"} <= set(links)
    labels = {label["code"] for label in found.get("meta", {}).get("security", [])}
    assert labels == (set() if kind == CaseKind.PATIENT else {"HTEST"})


def links_of(items: list[dict]) -> list[str]:
    """Every linkId, nested ones and those below answers too."""
    found = []
    for item in items:
        found += [item["linkId"], *links_of(item.get("item", []))]
        for answer in item.get("answer", []):
            found += links_of(answer.get("item", []))
    return found


def test_a_response_answers_the_questionnaire_that_is_exported(site):
    made = judgement(site)
    version = made.rubric_version
    asked = json.loads(rubric_files.export(versions=[version], format="fhir", by=None, site=site))
    found = response_of(made)
    assert found["questionnaire"] == f"{asked['url']}|{asked['version']}"
    links = links_of(asked["item"])
    assert len(links) == len(set(links))
    answered = set(links_of(found["item"]))
    assert answered <= set(links)
    assert {"ecg", "ecg/evidence", "ecg/evidence-turn", "ecg/reason", "repeats/turn", "whole/critique"} <= answered


def test_preferences_and_judges_are_r4_too(site):
    QuestionnaireResponse.model_validate(json.loads(json.dumps(response_of(comparison(site)))))
    by_model = response_of(judgement(site, origin=AnnotationOrigin.JUDGE, judge={"model": "m"}))
    QuestionnaireResponse.model_validate(json.loads(json.dumps(by_model)))
    assert {label["code"] for label in by_model["meta"]["security"]} == {"AIAST", "HTEST"}
    assert by_model["source"] == {"display": "Judge m"}


@pytest.mark.parametrize("role", [Role.CLINICIAN, Role.ANNOTATOR, Role.RESEARCHER])
def test_only_keepers_export(site, role):
    with pytest.raises(annotation_exports.Refused):
        annotation_exports.write(site=site, format="csv", by=make.make_user(role))
