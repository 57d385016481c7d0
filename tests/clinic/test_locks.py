"""Rows are held so that what refers to them can still be written: else a writer and the audit log's lock deadlock."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from django.db import connection, transaction

from clinic.models import Consultation, Role, User
from clinic.services import consultations, people, versions
from tests.clinic.factories import make_case, make_serving_agent, make_user

ROOT = Path(__file__).resolve().parents[2]
BRIEFLY = "2s"


def locks() -> Iterator[tuple[str, ast.Call]]:
    for room in ("clinic", "training"):
        for file in (ROOT / room).rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text())):
                if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "select_for_update":
                    yield f"{file.relative_to(ROOT)}:{node.lineno}", node


def test_every_held_row_can_still_be_referred_to():
    """FOR UPDATE would keep foreign keys waiting, which Django checks at the commit, audit log in hand."""
    found = list(locks())
    assert len(found) > 20
    assert [where for where, call in found if not any(word.arg == "no_key" for word in call.keywords)] == []


def begins(case: object, by: User) -> Consultation:
    """A consultation by another connection, which waits for no lock longer than a moment."""
    try:
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute(f"SET LOCAL lock_timeout = '{BRIEFLY}'")
            return consultations.start(case=case, by=by)
    finally:
        connection.close()


@pytest.mark.django_db(transaction=True)
def test_a_consultation_begins_while_its_version_and_its_site_are_held(monkeypatch):
    monkeypatch.setattr("clinic.services.dispatch.produce", lambda turn: None)
    version = make_serving_agent().model_version
    version.manifest |= {"fingerprint": {}}
    version.save()
    by, case, admin, _ = make_user(), make_case(), make_user(Role.ADMIN), make_user(Role.ADMIN)
    with transaction.atomic(), ThreadPoolExecutor(1) as other:
        versions.keep_fingerprint(version=version, name="greedy-1", fingerprint={}, source="probe")
        people._check_not_last_admin(admin)
        assert other.submit(begins, case, by).result(30).model_version == version
