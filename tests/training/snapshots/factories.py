"""Feedback that can be frozen: consultations on cases that read differently, said about by physicians."""

from __future__ import annotations

from itertools import count
from pathlib import Path

import pytest

from clinic.models import Case, CaseKind, Feedback, Role, Site, User
from tests.clinic import factories as make
from tests.clinic.annotation import factories as judged
from tests.clinic.training_rows.played import played, rated, said
from training.models import Split
from training.snapshots.persons import person_of, split_of

COMPLAINTS = (
    "Crushing chest pain since breakfast with sweating and nausea",
    "Painful swollen left calf after a long flight from abroad",
    "Burning on passing urine and needing to go every half hour",
    "Sudden worst headache of my life while lifting heavy boxes",
    "Yellow eyes and dark urine for about a week without pain",
    "Palpitations at night and losing weight although I eat well",
    "Wheezing after visiting a friend who keeps three cats",
    "Tingling in both feet that slowly climbs up to the knees",
    "Fever and a stiff neck since I came home from the camp",
    "Black stools and feeling faint when I stand up quickly",
)
_numbers = count(1)


def other_case(number: int, *, site: Site | None = None, split: Split = Split.TRAIN, **fields: object) -> Case:
    """A case that reads like no other, of a person in this split."""
    while True:
        key = f"demo:frozen-{next(_numbers)}"
        case = Case(key=key, origin="demo", extra={})
        if split_of(person_of(case)) == split:
            break
    history = {"hpi": f"{COMPLAINTS[number]}, as I told the nurse at the desk number {number} already."}
    fields = {"key": key, "origin": "demo", "complaint": COMPLAINTS[number], "history": history, **fields}
    return make.make_case(CaseKind.RECORD, site=site, **fields)


def learned(number: int = 0, *, case: Case | None = None, by: User | None = None, **fields: object) -> Feedback:
    """A rating with a first wrong turn and its correction: a row in every format."""
    held = played(case=case or other_case(number))
    version = fields.pop("version", None) or judged.make_rubric(site=held.site)
    wrong = {"first_wrong_turn": 3, "correction_kind": "examination", "correction": "D-dimer"}
    return rated(held, {"ecg": "met"}, by=by, version=version, **{**wrong, **fields})


def accepted(number: int = 0, *, case: Case | None = None) -> Feedback:
    """A turn that its clinician followed: rows for SFT and KTO alone."""
    return said(played(case=case or other_case(number)), 3, "accepted")


def admin(site: Site | None = None) -> User:
    return make.make_user(Role.ADMIN, site=site)


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Files of snapshots lie in a folder of this test."""
    monkeypatch.setenv("ROUNDS_HOME", str(tmp_path))
    return tmp_path
