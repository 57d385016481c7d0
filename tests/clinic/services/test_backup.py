"""Backup and restore against the real server: all comes back, and nothing is restored unchecked."""

import json
import os
import subprocess
import sys
import tarfile
from urllib.parse import urlsplit

import pytest
from django.db import connection

from clinic.local.home import ROOT
from clinic.models import AuditEntry, Case, User
from clinic.services import audit, backup
from clinic.services.errors import Refused
from tests.clinic import factories as make

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]


@pytest.fixture
def file(tmp_path):
    """A backup of one case with one consultation."""
    make.make_turn(make.make_consultation(case=make.make_case(key="test:kept", title="Kept — ümlaut")))
    backup.backup(path=tmp_path / "rounds.backup")
    return tmp_path / "rounds.backup"


@pytest.fixture
def empty_database():
    """The address of a new database on the same server."""
    name = f"{connection.settings_dict['NAME']}_empty"
    with connection.cursor() as cursor:
        cursor.execute(f"DROP DATABASE IF EXISTS {name}")
        cursor.execute(f"CREATE DATABASE {name}")
    yield urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{name}").geturl()
    with connection.cursor() as cursor:
        cursor.execute(f"DROP DATABASE {name} WITH (FORCE)")


def manage(*arguments: str, database: str) -> dict:
    command = [sys.executable, str(ROOT / "manage.py"), *arguments, "--json"]
    done = subprocess.run(
        command, env=os.environ | {"DATABASE_URL": database}, capture_output=True, text=True, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_everything_comes_back(file):
    rows = list(Case.objects.values())
    Case.objects.all().delete()
    make.make_case(key="test:later")
    with pytest.raises(Refused, match="not empty"):
        backup.restore(path=file)
    assert Case.objects.get().key == "test:later"
    backup.restore(path=file, force=True)
    assert list(Case.objects.values()) == rows
    assert Case.objects.get().consultations.get().turns.count() == 1
    assert audit.verify()[0]
    assert [entry.action for entry in AuditEntry.objects.all()][-2:] == ["backup.made", "backup.restored"]


def test_it_moves_to_an_empty_database(file, empty_database):
    assert manage("restore", str(file), database=empty_database)["ok"]
    assert manage("verify_audit", database=empty_database)["ok"]
    exported = manage("export_case", "--case", "test:kept", database=empty_database)
    assert exported["case"]["title"] == "Kept — ümlaut"


def test_the_promises_of_the_database_come_back_too(file):
    backup.restore(path=file, force=True)
    with pytest.raises(Exception, match="append-only"):
        AuditEntry.objects.all().delete()


def test_the_file_is_private_and_never_overwrites(file):
    assert file.stat().st_mode & 0o077 == 0
    with pytest.raises(Refused, match="exists already"):
        backup.backup(path=file)


def repack(file, change):
    """The same archive with its parts changed."""
    folder = file.parent / "parts"
    with tarfile.open(file) as archive:
        archive.extractall(folder, filter="data")
    change(folder)
    with tarfile.open(file, "w") as archive:
        for part in sorted(folder.iterdir()):
            archive.add(part, part.name)


def edit_manifest(**fields):
    def change(folder):
        path = folder / backup.MANIFEST
        path.write_text(json.dumps({**json.loads(path.read_text()), **fields}))

    return change


def flip_a_byte(folder):
    dump = folder / backup.DUMP
    data = bytearray(dump.read_bytes())
    data[len(data) // 2] ^= 1
    dump.write_bytes(data)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (flip_a_byte, "altered or damaged"),
        (lambda folder: (folder / backup.DUMP).unlink(), "not a complete backup"),
        (edit_manifest(format="other"), "altered or damaged"),
        (edit_manifest(unknown=1), "not a complete backup"),
        (edit_manifest(migrations=["clinic.9999_future"]), "newer version"),
    ],
)
def test_a_wrong_file_changes_nothing(file, change, sentence):
    repack(file, change)
    make.make_case(key="test:later")
    with pytest.raises(Refused, match=sentence):
        backup.restore(path=file, force=True)
    assert Case.objects.filter(key="test:later").exists()


def test_a_log_that_lost_its_known_head_is_found_after_restoring(file):
    repack(file, edit_manifest(audit_head="f" * 64))
    with pytest.raises(Refused, match="do not use it"):
        backup.restore(path=file, force=True)


def test_something_else_is_no_backup(tmp_path):
    path = tmp_path / "photo.jpg"
    path.write_bytes(b"\xff\xd8 not a tar")
    with pytest.raises(Refused, match="not a complete backup"):
        backup.restore(path=path)


def test_a_dump_that_fails_half_way_leaves_what_was_there(file):
    def cut(folder):
        dump = folder / backup.DUMP
        data = dump.read_bytes()
        dump.write_bytes(data[: len(data) * 3 // 4])
        edit_manifest(dump_sha256=backup.sha256(dump))(folder)

    repack(file, cut)
    people = User.objects.count()
    with pytest.raises(Refused, match="failed"):
        backup.restore(path=file, force=True)
    assert User.objects.count() == people > 0


def test_a_broken_log_is_not_backed_up(tmp_path):
    audit.record(by=None, action="a", noun="n", target="t")
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE clinic_auditentry DISABLE TRIGGER audit_append_only")
        cursor.execute("UPDATE clinic_auditentry SET noun = 'x'")
        cursor.execute("ALTER TABLE clinic_auditentry ENABLE TRIGGER audit_append_only")
    with pytest.raises(Refused, match="broken at entry 1"):
        backup.backup(path=tmp_path / "rounds.backup")
    assert not list(tmp_path.iterdir())
