"""Every command: one JSON object as the last line, and on failure one sentence, twice where JSON is asked for."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from clinic.local.home import ROOT
from clinic.models import AuditEntry, Case, Role, Site, User
from clinic.services import people
from tests.clinic import factories as make

pytestmark = pytest.mark.django_db
REPORT = ["format", "read", "accepted", "updated", "unchanged", "rejected"]


def osce(**actor: object) -> str:
    """One AgentClinic line, written for this test."""
    patient = {
        "Demographics": "54-year-old female",
        "History": "Cough with fever for three days.",
        "Symptoms": {"Primary_Symptom": "Cough", "Secondary_Symptoms": ["Fever"]},
        "Past_Medical_History": "None.",
        **actor,
    }
    body = {
        "Objective_for_Doctor": "Find out.",
        "Patient_Actor": patient,
        "Physical_Examination_Findings": {"Vital_Signs": {"Temperature": "39 C"}},
        "Test_Results": {"Chest_X-Ray": {"Findings": "Consolidation of the right lower lobe."}},
        "Correct_Diagnosis": "Pneumococcal pneumonia",
    }
    return json.dumps({"OSCE_Examination": body})


def run(*arguments: str) -> dict:
    out = io.StringIO()
    call_command(*arguments, "--json", stdout=out)
    return json.loads(out.getvalue().splitlines()[-1])


def refused(*arguments: str) -> str:
    """The sentence, after checking that stdout says the same as JSON."""
    out = io.StringIO()
    with pytest.raises(CommandError) as error:
        call_command(*arguments, "--json", stdout=out)
    assert json.loads(out.getvalue()) == {"ok": False, "error": str(error.value)}
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.fixture
def file(tmp_path) -> Path:
    path = tmp_path / "cases.jsonl"
    path.write_text("\n".join([osce(), osce(Demographics="30-year-old male"), "not json", ""]))
    return path


class TestImportCases:
    @pytest.fixture(autouse=True)
    def _site(self):
        make.default_site()

    def test_the_report_has_the_agreed_keys(self, file):
        report = run("import_cases", "agentclinic", str(file))
        assert list(report) == REPORT
        assert (report["read"], report["accepted"], len(report["rejected"])) == (3, 2, 1)
        assert set(report["rejected"][0]) == {"record", "reason"}

    def test_again_everything_is_unchanged(self, file):
        run("import_cases", "agentclinic", str(file))
        before = list(Case.objects.order_by("pk").values())
        assert run("import_cases", "agentclinic", str(file))["unchanged"] == 2
        assert list(Case.objects.order_by("pk").values()) == before

    def test_people_get_a_sentence(self, file, capsys):
        call_command("import_cases", "agentclinic", str(file))
        assert "3 read: 2 accepted" in capsys.readouterr().out

    def test_what_cannot_be_read_is_one_sentence(self, file, tmp_path):
        binary = tmp_path / "binary"
        binary.write_bytes(b"\x7fELF\x00\x01")
        assert "no file" in refused("import_cases", "agentclinic", str(tmp_path / "missing"))
        assert "folder" in refused("import_cases", "agentclinic", str(tmp_path))
        assert "not a text file" in refused("import_cases", "agentclinic", str(binary))
        assert "not a known format" in refused("import_cases", "fax", str(file))
        assert "no site" in refused("import_cases", "agentclinic", str(file), "--site", "nowhere")
        assert not Case.objects.exists()

    def test_a_huge_file_is_refused_without_reading_it(self, tmp_path):
        huge = tmp_path / "huge"
        with huge.open("wb") as sparse:
            sparse.truncate(10**12)
        assert "larger than" in refused("import_cases", "agentclinic", str(huge))

    def test_the_site_must_be_clear(self, file):
        make.make_site()
        assert "Name the site" in refused("import_cases", "agentclinic", str(file))

    def test_an_unreadable_file_is_one_sentence(self, file, monkeypatch):
        def denied(*_: object, **__: object) -> None:
            raise PermissionError(13, "Permission denied", str(file))

        monkeypatch.setattr(Path, "open", denied)
        assert refused("import_cases", "agentclinic", str(file)).startswith("Permission denied")


@pytest.mark.slow
@pytest.mark.shared
@pytest.mark.parametrize(("format", "name"), [("agentclinic", "agentclinic_medqa"), ("medrbench", "medrbench_dev")])
def test_a_published_file_reads_alike_in_every_process(format, name):
    """Python orders sets anew in each process: a parser that followed that order would update cases for ever."""
    path = ROOT.parent / "shared" / "data" / "cases" / f"{name}.jsonl"
    if not path.exists():
        pytest.skip("the shared data folder is not here")
    code = (
        "import hashlib, sys, pathlib; from agents import records;"
        "print(hashlib.sha256(repr(list(records.read(sys.argv[1], pathlib.Path(sys.argv[2])))).encode()).hexdigest())"
    )
    digests = {
        subprocess.run(
            [sys.executable, "-c", code, format, str(path)],
            env=os.environ | {"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
            cwd=ROOT,
        ).stdout
        for seed in ("1", "4", "5")
    }
    assert len(digests) == 1


def test_seed_demo_prints_logins_that_work(settings, capsys):
    settings.POLICY_URL = ""
    call_command("seed_demo")
    printed = capsys.readouterr().out
    for line in printed.splitlines()[1:]:
        _, username, password = line.split()
        assert User.objects.get(username=username).check_password(password)
    assert run("seed_demo")["cases"] == Case.objects.count()


def test_seed_demo_is_refused_in_production(settings):
    settings.PRODUCTION = True
    assert "published" in refused("seed_demo")


class TestVerifyAudit:
    def test_a_whole_log(self):
        run("invite", "a@example.org", "--site", "New")
        assert run("verify_audit") == {"ok": True, "rows": AuditEntry.objects.count(), "first_bad": None}

    def test_a_broken_log_exits_with_1(self):
        out = io.StringIO()
        with pytest.raises(SystemExit) as ended:
            call_command("verify_audit", "--head", "f" * 64, "--json", stdout=out)
        assert ended.value.code == 1
        assert json.loads(out.getvalue()) == {"ok": False, "rows": 0, "first_bad": 1}


class TestCases:
    def test_export_to_a_file(self, tmp_path):
        case = make.make_case()
        out = tmp_path / "case.json"
        assert run("export_case", "--case", case.key, "--out", str(out))["case"] == case.key
        assert json.loads(out.read_text())["case"]["id"] == str(case.pk)

    def test_deletion_in_steps(self):
        case = make.make_case()
        assert run("delete_case", "--case", case.key)["deleted"]
        assert not run("delete_case", "--case", case.key, "--undo")["deleted"]
        assert run("delete_case", "--case", str(case.pk), "--purge")["removed"]["Case"] == 1
        assert "no case" in refused("delete_case", "--case", case.key)

    @pytest.mark.parametrize("command", ["export_case", "delete_case"])
    def test_an_unknown_case_is_one_sentence(self, command):
        assert refused(command, "--case", "demo:nobody") == "There is no case demo:nobody."


def test_the_first_administrator_is_invited_by_a_command():
    link = run("invite", "chief@example.org", "--role", "admin", "--site", "Saint Elsewhere")["link"]
    assert Site.objects.get().slug == "saint-elsewhere"
    token = link.rstrip("/").rpartition("/")[2]
    user = people.accept(token=token, username="chief", password="a long pass phrase")
    assert (user.role, user.site.name) == (Role.ADMIN, "Saint Elsewhere")


def test_a_missing_database_is_one_sentence():
    done = subprocess.run(
        [sys.executable, str(ROOT / "manage.py"), "verify_audit", "--json"],
        env=os.environ | {"DATABASE_URL": "postgresql://rounds@127.0.0.1:9/rounds"},
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert json.loads(done.stdout)["ok"] is False


@pytest.mark.django_db(transaction=True)
def test_a_reader_that_leaves_gets_no_traceback(tmp_path):
    """`manage export_case … | head -0`: more output than a pipe holds, and nobody reads it."""
    from django.db import connection

    case = make.make_case(history={"hpi": "long " * 50_000})
    parts = os.environ["DATABASE_URL"].partition("?")
    address = f"{parts[0].rpartition('/')[0]}/{connection.settings_dict['NAME']}{parts[1]}{parts[2]}"
    command = [sys.executable, str(ROOT / "manage.py"), "export_case", "--case", case.key]
    with subprocess.Popen(
        command, env=os.environ | {"DATABASE_URL": address}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT
    ) as child:
        child.stdout.close()
        assert child.stderr.read() == b""
    assert child.returncode == 1


@pytest.mark.parametrize("command", ["oracle", "consult"])
def test_a_sealed_patient_is_shown_to_nobody(command):
    make.make_serving_agent()
    with pytest.raises(CommandError, match="played by gates alone"):
        call_command(command, "--case", "virtual:sealed:0003", stdout=io.StringIO(), stderr=io.StringIO())
