"""Every address by every role, on what is their own and on what is another's: nothing opens that should not.

An address that is not in the matrix fails the first test, so that a new page cannot be forgotten.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from django.apps import apps
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from clinic.models import (
    CaseKind,
    CdsClient,
    Feedback,
    IntakeDraft,
    Invitation,
    LedgerEntry,
    LedgerOrigin,
    RedFlagAlert,
    Role,
    User,
)
from clinic.services import people
from tests.clinic import factories as make
from tests.clinic.annotation import (
    access_agreement,
    access_learning,
    access_queues,
    access_rubrics,
    access_sheet,
)
from tests.training.factories import make_evaluated, make_evaluation
from tests.training.gates import access as access_gates
from tests.training.runs import access as access_runs
from tests.training.serving import access as access_serving
from tests.training.snapshots import access as access_snapshots

OWN, COLLEAGUE, PATIENT, ELSEWHERE = "own", "a colleague's", "a colleague's real patient", "another site's"
WHOSE = (OWN, COLLEAGUE, PATIENT, ELSEWHERE)
ROLES = tuple(Role.values)
READERS = frozenset({Role.ANNOTATOR, Role.ADJUDICATOR, Role.ADMIN})

ROOM_PAGES = [
    "consultation", "consultation_panel", "consultation_confidence", "consultation_look_ahead", "consultation_note",
    "consultation_pdf", "consultation_fhir", "consultation_feedback", "consultation_result_rows",
]  # fmt: skip
ROOM_VERBS = [
    "order", "answer", "ask", "call", "result", "say", "decline", "differential", "comment", "undo", "pause", "resume",
    "hand_over", "outcome", "stop", "retry", "close", "commit", "drafts",
]  # fmt: skip
LEDGER = ["ledger_add", "ledger_exclude", "ledger_accept", "ledger_reopen", "red_flag_acknowledge"]
DRAFTS = ["intake_draft", "intake_discard"]
EVERYBODY = [
    "home", "case_list", "consultation_list", "consultation_new", "case_new", "intake_save", "intake_read",
    "intake_finding", "intake_decide", "intake_matches", "intake_import", "reliance", "independent_first", "units",
    "seen_version", "version_list", "version_detail", "virtual_clinic", "virtual_check", "virtual_new_patient",
    "virtual_world", "virtual_world_draw", "virtual_world_stream", "virtual_world_status", "virtual_condition",
    "settings", "training:evaluation_list", "training:evaluation_compare",
]  # fmt: skip
ADMINS = ["people", "people_invite", "people_require_second_factor", "integrations", "audit_log"]
PERSON = ["people_role", "people_disable", "people_enable", "people_password", "people_second_factor"]
OPEN = ["healthz", "join", "cds_discovery", "cds_service", "cds_feedback"]
SITE_ROWS = ["training:evaluation_detail", "training:evaluation_episode", "training:evaluation_beside"]
PARTS = (access_rubrics, access_queues, access_sheet, access_agreement, access_learning)
ANNOTATION = frozenset().union(*(part.NAMES for part in PARTS))
"""Each is tested, strangers included, in test_access of its part."""
TRAINING_PARTS = (access_gates, access_runs, access_serving, access_snapshots)
TRAINING = frozenset().union(*(part.NAMES for part in TRAINING_PARTS))
"""The same, in tests/training/PART/test_access.py."""
OTHERS = ("case_detail", "people_withdraw", "integration_switch", "feedback_withdraw", "feedback_consent")


def names(patterns: list[Any] | None = None, space: str = "") -> Iterator[str]:
    """Every named address but the account pages, which allauth keeps and tests."""
    for pattern in patterns if patterns is not None else get_resolver().url_patterns:
        if isinstance(pattern, URLResolver):
            if "accounts/" not in str(pattern.pattern):
                inner = f"{pattern.namespace}:" if pattern.namespace else space
                yield from names(pattern.url_patterns, inner)
        elif isinstance(pattern, URLPattern) and pattern.name:
            yield f"{space}{pattern.name}"


def test_no_address_is_missing_from_the_matrix():
    listed = {*ROOM_PAGES, *(f"consultation_{verb}" for verb in ROOM_VERBS), *LEDGER, *DRAFTS, *EVERYBODY, *ADMINS}
    listed |= {*PERSON, *OPEN, *SITE_ROWS, *OTHERS, *ANNOTATION, *TRAINING}
    assert set(names()) == listed


@dataclass
class World:
    """One of each thing for every kind of owner; `me` is asked for afresh by role."""

    role: str
    me: User
    rows: dict[str, dict[str, Any]]

    def client(self) -> Client:
        client = Client()
        client.force_login(self.me, backend="clinic.accounts.ClinicBackend")
        return client


@pytest.fixture
def quiet(monkeypatch):
    """Nobody produces turns here, and no task is sent."""
    monkeypatch.setattr("clinic.services.dispatch.produce", lambda turn: None)
    monkeypatch.setattr("clinic.services.dispatch.draft", lambda turn: None)
    monkeypatch.setattr("clinic.tasks.check_knowledge.delay", lambda: None)


@pytest.fixture
def world_of(db, quiet) -> Callable[[str], World]:
    make.make_serving_agent()
    return _world


def _world(role: str) -> World:
    site, elsewhere = make.default_site(), make.make_site()
    me = make.make_user(role, site=site)
    owners = {OWN: me, COLLEAGUE: make.make_user(site=site), ELSEWHERE: make.make_user(Role.ADMIN, site=elsewhere)}
    owners[PATIENT] = owners[COLLEAGUE]
    return World(role, me, {whose: _rows(whose, owner) for whose, owner in owners.items()})


def _rows(whose: str, owner: User) -> dict[str, Any]:
    kind = CaseKind.PATIENT if whose == PATIENT else CaseKind.VIRTUAL
    case = make.make_case(kind, site=owner.site)
    held = make.make_consultation(case=case, clinician=owner)
    evaluations = [make_evaluation(site=owner.site) for _ in range(2)]
    for evaluation in evaluations:
        make_evaluated(evaluation)
    return {
        "case": case,
        "consultation": held,
        "entry": LedgerEntry.objects.create(consultation=held, key="pe", name="PE", origin=LedgerOrigin.AGENT),
        "alert": RedFlagAlert.objects.create(consultation=held, flag="shock", says="Shock"),
        "feedback": Feedback.objects.create(site=owner.site, kind="comment", consultation=held, by=owner),
        "draft": IntakeDraft.objects.create(site=owner.site, by=owner, fields={"complaint": "Cough"}),
        "person": make.make_user(site=owner.site),
        "evaluations": evaluations,
        "cds": CdsClient.objects.create(site=owner.site, name="EHR", issuer=f"urn:{held.pk}", keys={"keys": []}),
        "invitation": _invitation(owner),
    }


def _invitation(owner: User) -> Invitation:
    by = owner if owner.is_site_admin else make.make_user(Role.ADMIN, site=owner.site)
    people.invite(email=f"new-{owner.pk}-{by.pk}-{Invitation.objects.count()}@example.org", role=Role.CLINICIAN, by=by)
    return Invitation.objects.latest("pk")


def counts() -> dict[str, int]:
    """How many rows each of our tables has; reading a page may only add to the audit log and to sessions."""
    models = [*apps.get_app_config("clinic").get_models(), *apps.get_app_config("training").get_models()]
    left_out = ("AuditEntry", "AuditHead")
    return {m.__name__: m._default_manager.count() for m in models if m.__name__ not in left_out}


def state(rows: dict[str, Any]) -> dict[str, Any]:
    """What a verb would change on the thing itself."""
    held, entry = rows["consultation"], rows["entry"]
    for row in (held, entry, rows["alert"], rows["feedback"], rows["person"], rows["cds"], rows["invitation"]):
        row.refresh_from_db()
    seen = {
        "status": held.status,
        "clinician": held.clinician_id,
        "paused": held.paused_at,
        "diagnosis": held.diagnosis,
    }
    seen |= {"entry": entry.status, "alert": rows["alert"].acknowledged_at, "feedback": rows["feedback"].status}
    seen |= {"role": rows["person"].role, "active": rows["person"].is_active, "cds": rows["cds"].active}
    return {**seen, "consent": rows["feedback"].consent, "withdrawn": rows["invitation"].withdrawn_at}


def arguments(name: str, rows: dict[str, Any]) -> list[Any]:
    held = rows["consultation"].pk
    if name in ROOM_PAGES or name.removeprefix("consultation_") in ROOM_VERBS or name == "ledger_add":
        return [held]
    if name in LEDGER:
        return [held, rows["alert"].pk if name.startswith("red") else rows["entry"].pk]
    one, two = (evaluation.pk for evaluation in rows["evaluations"])
    return {
        "case_detail": [rows["case"].pk],
        "training:evaluation_detail": [one],
        "training:evaluation_episode": [one, 1],
        "training:evaluation_beside": [one, two, 1],
        "people_withdraw": [rows["invitation"].pk],
        "integration_switch": [rows["cds"].pk],
        "version_detail": [rows["consultation"].model_version.version],
        "virtual_condition": ["pe"],
        "join": ["no-such-token"],
        "cds_service": ["rounds-patient-view"],
        "cds_feedback": ["rounds-patient-view"],
        **{verb: [rows["feedback"].pk] for verb in ("feedback_withdraw", "feedback_consent")},
        **{page: [rows["draft"].pk] for page in DRAFTS},
        **{page: [rows["person"].pk] for page in PERSON},
    }.get(name, [])


def ask(client: Client, name: str, rows: dict[str, Any], method: str, data: dict[str, Any] | None = None) -> int:
    answer = getattr(client, method)(reverse(name, args=arguments(name, rows)), data or {})
    return int(answer.status_code)


def may_read(role: str, whose: str) -> bool:
    """A clinician's own; the site's for those who judge or administer; no real patient's for researchers."""
    if whose == ELSEWHERE:
        return False
    if whose == OWN or role in READERS:
        return True
    return role == Role.RESEARCHER and whose == COLLEAGUE


@pytest.mark.parametrize("role", ROLES)
def test_a_room_opens_only_to_its_readers(world_of, role):
    world = world_of(role)
    client = world.client()
    for whose in WHOSE:
        for name in ROOM_PAGES:
            status = ask(client, name, world.rows[whose], "get")
            allowed = may_read(role, whose)
            assert status < 400 if allowed else status == 404, f"{role} reads {name} of {whose}: {status}"


FIELDS = {
    "examination": "C-reactive protein", "text": "Hello", "question": "Since when?", "reason_code": "other",
    "reason": "x",
    "diagnosis": "Pneumonia", "certainty": "confirmed", "name": "Sepsis", "evidence": "case:hpi", "receiver": "1",
    "role": "admin", "active": "0", "consent": "0",
}  # fmt: skip


@pytest.mark.parametrize("role", ROLES)
def test_only_who_holds_a_consultation_moves_it(world_of, role):
    world = world_of(role)
    client = world.client()
    for whose in (COLLEAGUE, PATIENT, ELSEWHERE):
        rows = world.rows[whose]
        before, counted = state(rows), counts()
        for name in [*(f"consultation_{verb}" for verb in ROOM_VERBS), *LEDGER]:
            status = ask(client, name, rows, "post", FIELDS)
            if not may_read(role, whose):
                assert status in (403, 404), f"{role} posts {name} of {whose}: {status}"
            assert (state(rows), counts()) == (before, counted), f"{role} changed something by {name} of {whose}"


@pytest.mark.parametrize("role", ROLES)
def test_a_case_opens_to_its_site_and_a_patient_s_not_to_research(world_of, role):
    world = world_of(role)
    for whose in WHOSE:
        status = ask(world.client(), "case_detail", world.rows[whose], "get")
        hidden = whose == ELSEWHERE or (whose == PATIENT and role == Role.RESEARCHER)
        assert status == (404 if hidden else 200), f"{role} reads the case of {whose}: {status}"


@pytest.mark.parametrize("role", ROLES)
def test_a_draft_and_feedback_are_their_giver_s_alone(world_of, role):
    world = world_of(role)
    client = world.client()
    for whose in (COLLEAGUE, PATIENT, ELSEWHERE):
        rows = world.rows[whose]
        before, counted = state(rows), counts()
        for name in (*DRAFTS, "feedback_withdraw", "feedback_consent"):
            status = ask(client, name, rows, "post", FIELDS)
            assert status in (302, 403, 404), f"{role} posts {name} of {whose}: {status}"
            assert (state(rows), counts()) == (before, counted), f"{role} changed something by {name} of {whose}"
        assert ask(client, "intake_draft", rows, "get") == 404


@pytest.mark.parametrize("role", ROLES)
def test_administration_is_the_administrator_s_of_the_site(world_of, role):
    world = world_of(role)
    client = world.client()
    for name in ADMINS:
        method = "post" if name in ("people_invite", "people_require_second_factor") else "get"
        status = ask(client, name, world.rows[OWN], method)
        assert (status < 403 or status == 422) if role == Role.ADMIN else status == 403, (
            f"{role} opens {name}: {status}"
        )
    for whose in WHOSE:
        rows = world.rows[whose]
        before, counted = state(rows), counts()
        for name in (*PERSON, "people_withdraw", "integration_switch"):
            if role == Role.ADMIN and whose != ELSEWHERE:
                continue
            status = ask(client, name, rows, "post", FIELDS)
            assert status in (403, 404), f"{role} posts {name} of {whose}: {status}"
            assert (state(rows), counts()) == (before, counted), f"{role} changed something by {name} of {whose}"


@pytest.mark.parametrize("role", ROLES)
def test_what_everybody_may_open_opens(world_of, role):
    world = world_of(role)
    client = world.client()
    posts = ("intake_save", "intake_read", "intake_finding", "intake_decide", "intake_import", "independent_first")
    posts += (
        "seen_version",
        "units",
        "virtual_check",
        "virtual_new_patient",
        "virtual_world_draw",
        "virtual_world_stream",
    )
    for name in EVERYBODY:
        if name == "consultation_new":
            continue
        status = ask(client, name, world.rows[OWN], "post" if name in posts else "get")
        assert status < 500, f"{role} opens {name}: {status}"
        if name not in posts and name != "training:evaluation_compare":
            assert status in (200, 302), f"{role} opens {name}: {status}"


@pytest.mark.parametrize("role", ROLES)
def test_evaluations_stay_at_their_site(world_of, role):
    world = world_of(role)
    for whose in (OWN, ELSEWHERE):
        for name in SITE_ROWS:
            status = ask(world.client(), name, world.rows[whose], "get")
            assert (status < 404) if whose == OWN else status == 404, f"{role} reads {name} of {whose}: {status}"


def test_a_stranger_is_led_to_the_door(world_of):
    rows = world_of(Role.CLINICIAN).rows[OWN]
    before, counted = state(rows), counts()
    for name in names():
        if name in OPEN or name in ANNOTATION or name in TRAINING:
            continue
        for method in ("get", "post"):
            answer = getattr(Client(), method)(reverse(name, args=arguments(name, rows)))
            assert answer.status_code == 302, f"a stranger's {method} of {name}: {answer.status_code}"
            assert "/accounts/login/" in answer["Location"]
    assert (state(rows), counts()) == (before, counted)


def test_a_disabled_person_is_a_stranger(world_of):
    world = world_of(Role.ADMIN)
    client = world.client()
    User.objects.filter(pk=world.me.pk).update(is_active=False)
    assert client.get(reverse("case_list")).status_code == 302
