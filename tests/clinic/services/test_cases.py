"""Cases: imported twice is imported once; exported with simulated results apart; deleted in two steps; role-checked."""

import json
from dataclasses import replace
from itertools import product

import pytest

from agents.records import Rejection
from agents.types import RecordedResult
from clinic.models import AuditEntry, Case, CaseKind, Consultation, Event, Patient, Role, StatusChange, Training
from clinic.services import audit, cases
from clinic.services.errors import Refused
from clinic.services.records import case_record
from tests.clinic import factories as make

pytestmark = pytest.mark.django_db


def run(parsed, site=None):
    return cases.import_parsed(format="agentclinic", parsed=parsed, site=site or make.default_site(), by=None)


def counts(report):
    return (report.read, report.accepted, report.updated, report.unchanged, len(report.rejected))


class TestImport:
    def test_each_record_counts_once(self):
        records = [make.make_record() for _ in range(3)]
        assert counts(run([*records, Rejection("line 4", "not valid JSON")])) == (4, 3, 0, 0, 1)
        records[0] = replace(records[0], answer="Something else")
        again = run([*records, make.make_record()])
        assert counts(again) == (4, 1, 1, 2, 0)
        assert Case.objects.count() == 4

    def test_what_is_imported_is_what_is_replayed(self):
        record = make.make_record()
        run([record])
        case = Case.objects.get()
        stored = case_record(case)
        assert replace(stored, id=record.id) == record
        assert case.kind == CaseKind.RECORD

    def test_keys_tell_sources_apart(self):
        run([make.make_record(id="line 1"), make.make_record(id="line 1", origin="avey")][:1])
        run([make.make_record(id="line 1", origin="avey")])
        assert set(Case.objects.values_list("key", flat=True)) == {"agentclinic:line 1", "avey:line 1"}

    def test_the_same_id_twice_in_a_file_is_rejected(self):
        record = make.make_record()
        report = run([record, replace(record, answer="Else")])
        assert counts(report) == (2, 1, 0, 0, 1)
        assert report.rejected == [{"record": record.id, "reason": "the same id occurs earlier in this file"}]

    def test_the_title_never_tells_the_answer(self):
        run([make.make_record(complaint="Cough " * 80)])
        case = Case.objects.get()
        assert len(case.title) <= 200
        assert case.answer.lower() not in case.title.lower()

    @pytest.mark.parametrize(
        "fields",
        [
            {"id": ""},
            {"id": "x" * 200},
            {"complaint": " "},
            {"complaint": "a\x00b"},
            {"complaint": "\ud800"},
            {"sex": "f"},
            {"age_years": float("nan")},
            {"extra": {"title": "T", "x": object()}},
            {"history": {"hpi": "a\x00b"}},
        ],
    )
    def test_what_the_database_cannot_hold_is_rejected_with_a_reason(self, fields):
        report = run([make.make_record(**fields), make.make_record()])
        assert counts(report) == (2, 1, 0, 0, 1)
        assert report.rejected[0]["reason"]
        json.dumps(report.as_dict())

    def test_a_crash_leaves_nothing_half_way(self):
        def parser():
            yield make.make_record()
            raise RuntimeError("power cut")

        with pytest.raises(RuntimeError):
            run(parser())
        assert not Case.objects.exists()
        assert not AuditEntry.objects.exists()

    def test_a_deleted_case_does_not_come_back(self):
        record = make.make_record()
        run([record])
        cases.delete(case=Case.objects.get(), by=None)
        assert counts(run([record])) == (1, 0, 0, 0, 1)

    def test_two_sites_have_their_own(self):
        record = make.make_record()
        run([record])
        assert counts(run([record], site=make.make_site())) == (1, 1, 0, 0, 0)

    def test_the_import_is_audited(self):
        run([make.make_record()])
        assert AuditEntry.objects.get().data["accepted"] == 1

    def test_a_hundred_results_fit(self):
        results = tuple(RecordedResult(f"Examination {n}", "text " * 200, order=n) for n in range(100))
        assert counts(run([make.make_record(results=results)])) == (1, 1, 0, 0, 0)


class TestVisibility:
    @pytest.mark.parametrize(("role", "kind"), list(product(Role.values, CaseKind.values)))
    def test_at_one_s_own_site(self, role, kind):
        case = make.make_case(kind)
        expected = not (role == Role.RESEARCHER and kind == CaseKind.PATIENT)
        assert Case.objects.visible_to(make.make_user(role)).filter(pk=case.pk).exists() == expected

    @pytest.mark.parametrize("role", Role.values)
    def test_never_elsewhere_disabled_or_deleted(self, role):
        make.make_case()
        deleted = make.make_case()
        cases.delete(case=deleted, by=None)
        assert not Case.objects.visible_to(make.make_user(role, site=make.make_site())).exists()
        assert not Case.objects.visible_to(make.make_user(role, is_active=False)).exists()
        assert deleted not in Case.objects.visible_to(make.make_user(role))

    def test_without_a_site_nothing(self):
        make.make_case()
        user = make.make_user()
        user.site = None
        assert not Case.objects.visible_to(user).exists()

    def test_a_clinician_s_consultations_are_their_own(self):
        mine, other = make.make_consultation(), make.make_consultation()
        patient = make.make_consultation(case=make.make_case(CaseKind.PATIENT))
        seen = {role: set(Consultation.objects.visible_to(make.make_user(role))) for role in Role.values}
        assert set(Consultation.objects.visible_to(mine.clinician)) == {mine}
        assert seen[Role.CLINICIAN] == set()
        assert seen[Role.RESEARCHER] == {mine, other}
        assert seen[Role.ADMIN] == seen[Role.ANNOTATOR] == seen[Role.ADJUDICATOR] == {mine, other, patient}

    @pytest.mark.parametrize("role", Role.values)
    def test_only_the_holder_steers(self, role):
        consultation = make.make_consultation()
        assert consultation in Consultation.objects.steerable_by(consultation.clinician)
        assert consultation not in Consultation.objects.steerable_by(make.make_user(role))

    def test_nobody_sees_consultations_elsewhere_or_on_deleted_cases(self):
        consultation = make.make_consultation()
        assert not Consultation.objects.visible_to(make.make_user(Role.ADMIN, site=make.make_site())).exists()
        cases.delete(case=consultation.case, by=None)
        assert not Consultation.objects.visible_to(consultation.clinician).exists()


class TestEntering:
    def test_a_virtual_case(self):
        by = make.make_user()
        case = cases.create(by=by, kind=CaseKind.VIRTUAL, complaint="Cough", age_years=30, history={"hpi": "Dry."})
        assert (case.site, case.created_by, case.title) == (by.site, by, "Cough")

    @pytest.mark.parametrize("role", [Role.ANNOTATOR, Role.ADJUDICATOR, Role.RESEARCHER])
    def test_others_do_not(self, role):
        with pytest.raises(Refused):
            cases.create(by=make.make_user(role), kind=CaseKind.VIRTUAL, complaint="Cough")

    def test_a_real_patient_only_where_the_site_and_the_agent_allow_it(self):
        by = make.make_user()
        enter = {"by": by, "kind": CaseKind.PATIENT, "complaint": "Cough", "identifier": "MRN-1"}
        with pytest.raises(Refused, match="does not accept"):
            cases.create(**enter)
        by.site.accepts_patient_cases = True
        by.site.save()
        endpoint = make.make_serving_agent()
        with pytest.raises(Refused, match="untrained"):
            cases.create(**enter)
        endpoint.model_version.training = Training.VIRTUAL
        endpoint.model_version.save()
        with pytest.raises(Refused, match="number"):
            cases.create(**{**enter, "identifier": " "})
        first, second = cases.create(**enter), cases.create(**enter)
        assert first.patient == second.patient

    @pytest.mark.parametrize("fields", [{"complaint": ""}, {"kind": "imaginary"}, {"sex": "x" * 11}])
    def test_nonsense_is_refused(self, fields):
        with pytest.raises(Refused):
            cases.create(**{"by": make.make_user(), "kind": CaseKind.VIRTUAL, "complaint": "Cough", **fields})


def test_a_case_is_found_by_id_or_key():
    case = make.make_case(key="demo:x")
    assert cases.find(name=str(case.pk)) == cases.find(name="demo:x") == case
    with pytest.raises(Refused, match="no case"):
        cases.find(name="demo:y")
    elsewhere = make.make_case(key="demo:x", site=make.make_site())
    with pytest.raises(Refused, match="More than one"):
        cases.find(name="demo:x")
    assert cases.find(name="demo:x", site=elsewhere.site) == elsewhere


class TestExport:
    @pytest.fixture
    def consultation(self):
        consultation = make.make_consultation()
        turn = make.make_turn(consultation, "environment")
        make.make_simulated_result(turn, text="Troponin I 4 ng/L")
        make.make_finding(consultation.case, consultation=consultation, text="CRP 96 mg/L")
        return consultation

    def test_everything_is_in_it(self, consultation):
        document = json.loads(json.dumps(cases.export(case=consultation.case, by=make.make_user(Role.ADMIN))))
        assert document["case"]["key"] == consultation.case.key
        assert document["consultations"][0]["turns"][0]["number"] == 1
        assert document["findings"][0]["text"] == "CRP 96 mg/L"
        assert document["audit"][-1]["action"] == "case.exported"

    def test_simulated_results_stand_apart_and_are_marked(self, consultation):
        document = cases.export(case=consultation.case, by=None)
        (result,) = document["simulated"].pop("results")
        assert result["source"] == "simulated"
        assert "nobody measured" in document["simulated"]["note"]
        assert "Troponin I 4 ng/L" not in json.dumps(document["findings"])

    @pytest.mark.parametrize(("role", "kind"), list(product(Role.values, CaseKind.values)))
    def test_who_may(self, role, kind):
        case, by = make.make_case(kind), make.make_user(role)
        if role == Role.ADMIN or (role == Role.RESEARCHER and kind != CaseKind.PATIENT):
            assert cases.export(case=case, by=by)["case"]["kind"] == kind
        else:
            with pytest.raises(Refused):
                cases.export(case=case, by=by)

    def test_not_from_another_site(self):
        with pytest.raises(Refused):
            cases.export(case=make.make_case(), by=make.make_user(Role.ADMIN, site=make.make_site()))


class TestDeletion:
    def test_it_is_hidden_then_purged_and_the_audit_log_stays(self):
        admin = make.make_user(Role.ADMIN)
        consultation = make.make_consultation(case=make.make_case(CaseKind.PATIENT))
        case, patient = consultation.case, consultation.case.patient
        make.make_turn(consultation)
        make.make_finding(case)
        Event.objects.create(consultation=consultation, turn=1, seq=1, type="state")
        StatusChange.objects.create(noun="consultation", target=str(consultation.pk), old="a", new="b")
        cases.delete(case=case, by=admin, reason="asked for")
        assert not Case.objects.visible_to(admin).exists()
        removed = cases.purge(case=case, by=admin)
        assert removed["Case"] == removed["Consultation"] == removed["Turn"] == removed["Finding"] == 1
        assert not Case.objects.exists()
        assert not Patient.objects.filter(pk=patient.pk).exists()
        actions = list(AuditEntry.objects.filter(noun="case").values_list("action", flat=True))
        assert actions == ["case.deleted", "case.purged"]
        assert audit.verify()[0]

    def test_a_patient_with_another_case_stays(self):
        case = make.make_case(CaseKind.PATIENT)
        make.make_case(CaseKind.PATIENT, patient=case.patient)
        cases.delete(case=case, by=None)
        cases.purge(case=case, by=None)
        assert Patient.objects.count() == 1

    def test_a_deleted_case_can_be_had_back(self):
        case, admin = make.make_case(), make.make_user(Role.ADMIN)
        cases.delete(case=case, by=admin)
        cases.undelete(case=case, by=admin)
        assert case in Case.objects.visible_to(admin)
        with pytest.raises(Refused):
            cases.undelete(case=case, by=admin)

    def test_purging_comes_second(self):
        with pytest.raises(Refused, match="Delete the case first"):
            cases.purge(case=make.make_case(), by=None)

    def test_not_twice_and_not_under_the_agent_s_hands(self):
        case = make.make_case()
        consultation = make.make_consultation(case=case, status="thinking")
        with pytest.raises(Refused, match="stop it first"):
            cases.delete(case=case, by=None)
        Consultation.objects.filter(pk=consultation.pk).update(status="stopped")
        cases.delete(case=case, by=None)
        with pytest.raises(Refused, match="already deleted"):
            cases.delete(case=case, by=None)

    @pytest.mark.parametrize("who", [*(r for r in Role.values if r != Role.ADMIN), "elsewhere"])
    def test_only_its_site_s_administrator(self, who):
        by = make.make_user(Role.ADMIN, site=make.make_site()) if who == "elsewhere" else make.make_user(who)
        case = make.make_case()
        for verb in (cases.delete, cases.undelete, cases.purge):
            with pytest.raises(Refused, match="administrator"):
                verb(case=case, by=by)
