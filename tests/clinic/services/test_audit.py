"""The audit log: gap-free and chained; whoever gets past the database's triggers is still found out."""

import threading

import pytest
from django.db import IntegrityError, connection, transaction

from clinic.models import AuditEntry, AuditHead, StatusChange
from clinic.services import audit
from tests.clinic import factories as make

pytestmark = pytest.mark.django_db


def write(count: int = 5) -> list[AuditEntry]:
    by = make.make_user("admin")
    return [
        audit.record(by=by, action="case.viewed", noun="case", target=n, data={"n": n, "é": [1.5, None]})
        for n in range(1, count + 1)
    ]


def tamper(sql: str, *parameters: object) -> None:
    """What an intruder with the database's password could do: switch the trigger off, change, switch it on."""
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")  # no trigger can be switched while checks are pending
        cursor.execute("ALTER TABLE clinic_auditentry DISABLE TRIGGER audit_append_only")
        cursor.execute(sql, parameters)
        cursor.execute("ALTER TABLE clinic_auditentry ENABLE TRIGGER audit_append_only")


def test_an_empty_log_is_whole():
    assert audit.verify() == (True, 0, None)


def test_entries_are_numbered_and_chained():
    entries = write(3)
    assert [entry.seq for entry in entries] == [1, 2, 3]
    assert entries[0].previous_hash == audit.GENESIS
    assert entries[2].previous_hash == entries[1].hash
    assert audit.head() == entries[2].hash
    assert audit.verify() == (True, 3, None)


def test_the_actor_brings_the_site():
    by = make.make_user()
    entry = audit.record(by=by, action="a", noun="n", target="t")
    assert (entry.site, entry.actor_name) == (by.site, by.username)
    assert audit.record(by=None, action="a", noun="n", target="t").actor_name == "system"


@pytest.mark.parametrize("value", [1e20, 1.0, 1e-7, -0.0, 0.1 + 0.2, 2**60, "ü\u2028", [], {"b": 1, "a": 2}])
def test_data_hashes_alike_before_and_after_storage(value):
    audit.record(by=None, action="a", noun="n", target="t", data={"value": value})
    assert audit.verify() == (True, 1, None)


def test_an_edit_is_found():
    write()
    tamper("UPDATE clinic_auditentry SET target = 'other' WHERE seq = 3")
    assert audit.verify() == (False, 5, 3)


@pytest.mark.parametrize(
    "change",
    [
        "actor_name = 'nobody'",
        "action = 'case.kept'",
        "noun = 'x'",
        "at = at + interval '1 microsecond'",
        "data = '{}'",
        "actor_id = NULL",
        "site_id = NULL",
        "hash = repeat('a', 64)",
        "previous_hash = repeat('b', 64)",
    ],
)
def test_every_column_is_sealed(change):
    write()
    tamper(f"UPDATE clinic_auditentry SET {change} WHERE seq = 3")
    assert audit.verify() == (False, 5, 3)


def test_a_deletion_is_found():
    write()
    tamper("DELETE FROM clinic_auditentry WHERE seq = 2")
    assert audit.verify() == (False, 4, 2)


def test_a_deleted_beginning_is_found():
    write()
    tamper("DELETE FROM clinic_auditentry WHERE seq = 1")
    assert audit.verify() == (False, 4, 1)


def test_a_cut_off_end_is_found():
    write()
    tamper("DELETE FROM clinic_auditentry WHERE seq >= 4")
    assert audit.verify() == (False, 3, 4)


def test_an_emptied_log_is_found():
    write()
    tamper("DELETE FROM clinic_auditentry")
    assert audit.verify() == (False, 0, 1)


def test_a_swap_of_two_entries_is_found():
    write()
    tamper("UPDATE clinic_auditentry SET seq = 100 WHERE seq = 2")
    tamper("UPDATE clinic_auditentry SET seq = 2 WHERE seq = 3")
    tamper("UPDATE clinic_auditentry SET seq = 3 WHERE seq = 100")
    assert audit.verify() == (False, 5, 2)


def test_an_entry_beyond_the_head_is_found():
    entries = write()
    forged = AuditEntry.objects.get(seq=5)
    forged.seq, forged.previous_hash = 6, entries[-1].hash
    forged.hash = audit.digest(forged)
    forged.save(force_insert=True)
    assert audit.verify() == (False, 6, 7)


def test_a_rewritten_log_is_found_by_a_head_kept_elsewhere():
    write()
    kept = audit.head()
    tamper("DELETE FROM clinic_auditentry")
    AuditHead.objects.all().delete()
    write(5)
    assert audit.verify()[0]
    assert audit.verify(known_head=kept) == (False, 5, 6)


def test_an_older_head_still_holds():
    write(2)
    kept = audit.head()
    write(1)
    assert audit.verify(known_head=kept) == (True, 3, None)


@pytest.mark.parametrize("sql", ["UPDATE {} SET noun = 'x'", "DELETE FROM {}"])
@pytest.mark.parametrize("table", ["clinic_auditentry", "clinic_statuschange"])
def test_the_database_refuses_changes(table, sql):
    write(1)
    StatusChange.objects.create(noun="turn", target="1", old="a", new="b")
    with pytest.raises(IntegrityError, match="append-only"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(sql.format(table))


def test_the_database_refuses_to_empty_the_log():
    write(1)
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("ALTER TABLE clinic_auditentry ENABLE TRIGGER audit_no_truncate")
        with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
            cursor.execute("TRUNCATE clinic_auditentry")


def test_a_rolled_back_change_leaves_no_entry():
    with transaction.atomic():
        audit.record(by=None, action="a", noun="n", target="t")
        transaction.set_rollback(True)
    write(2)
    assert audit.verify() == (True, 2, None)


@pytest.mark.django_db(transaction=True)
def test_writers_at_the_same_time_leave_no_gap():
    def work() -> None:
        for n in range(10):
            audit.record(by=None, action="a", noun="n", target=n)
        connection.close()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert audit.verify() == (True, 40, None)
