"""An intake from the first keystroke to the case: saved as typed, coded findings proposed, nothing taken silently."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

from django.db import transaction

from agents import reading
from agents.knowledge.conditions import Finding as KnownFinding
from agents.knowledge.conditions import knowledge
from agents.records import Rejection, fhir
from agents.types import CaseRecord, RecordedResult, Value
from agents.world.questions import words
from clinic.models import Case, CaseKind, Finding, FindingSource, FindingState, IntakeDraft, User
from clinic.services import audit, cases
from clinic.services.errors import Refused

PENDING, CONFIRMED, DISMISSED = "pending", "confirmed", "dismissed"
SECTIONS = ("hpi", "past", "drugs", "allergies", "family", "social", "review")
BUNDLE_BYTES = 8_000_000
NOTE_CHARACTERS = 20_000
SUGGESTED = 8


def save(*, by: User, fields: dict[str, str], draft: IntakeDraft | None = None) -> IntakeDraft:
    """Keep the form as typed, right or wrong; a new draft where there is none yet."""
    if draft is None:
        if not (by.is_active and by.role in cases.MAY_ENTER and by.site):
            raise Refused("Only clinicians and administrators enter cases.")
        return IntakeDraft.objects.create(site=by.site, by=by, fields=fields)
    with _changing(draft, by) as current:
        current.fields = {**current.fields, **fields}
    return current


def read_note(*, draft: IntakeDraft, by: User, note: str) -> int:
    """Propose what a pasted note says; how many findings and measurements are new. Each waits to be confirmed."""
    if len(note) > NOTE_CHARACTERS:
        raise Refused(f"The note has more than {NOTE_CHARACTERS:,} characters; paste the part that matters now.")
    if not note.strip():
        raise Refused("There is no note to read. Paste one first.")
    found = [_mention(one) for one in reading.coded(reading.read(note)).values()]
    found += [_measured(one) for one in reading.measurements(note)]
    with _changing(draft, by) as current:
        before = len(current.proposals)
        current.fields = {**current.fields, "note": note}
        current.proposals = _joined(current.proposals, found)
    return len(current.proposals) - before


def add_finding(*, draft: IntakeDraft, by: User, code: str, state: str) -> None:
    """A finding that the clinician chose from the vocabulary: confirmed by being chosen."""
    finding = knowledge().findings.get(code)
    if finding is None or state not in FindingState.values:
        raise Refused("Choose a finding from the list, and whether it is present, absent or unknown.")
    chosen = {**_proposal("finding", code, finding.name, "typed"), "state": state, "decision": CONFIRMED}
    with _changing(draft, by) as current:
        current.proposals = [*(p for p in current.proposals if p["code"] != code), chosen]


def decide(*, draft: IntakeDraft, by: User, proposal: str, decision: str, state: str = "") -> None:
    """Confirm a proposal, with another state where the note was misread, or dismiss it."""
    if decision not in (PENDING, CONFIRMED, DISMISSED) or (state and state not in FindingState.values):
        raise Refused("Confirm the finding as present, absent or unknown, or dismiss it.")
    with _changing(draft, by) as current:
        for entry in current.proposals:
            if entry["id"] == proposal:
                entry["decision"] = decision
                if state and entry["kind"] == "finding":
                    entry["state"] = state


def confirm_shown(*, draft: IntakeDraft, by: User, proposals: list[str]) -> None:
    """Confirm exactly these, which stood on the page with their quotes when the clinician said so."""
    with _changing(draft, by) as current:
        for entry in current.proposals:
            if entry["id"] in proposals and entry["decision"] == PENDING:
                entry["decision"] = CONFIRMED


def import_bundle(*, by: User, content: bytes, name: str = "bundle") -> IntakeDraft:
    """A FHIR R4 bundle as a draft: history fills the form, every result waits to be confirmed."""
    if b"\\u0000" in content or b"\0" in content:
        raise Refused("The file holds a NUL character, so nothing was imported. Export it again from its source.")
    if len(content) > BUNDLE_BYTES:
        raise Refused(f"The file is larger than {BUNDLE_BYTES // 1_000_000} MB; export one patient's bundle.")
    try:
        document = json.loads(content)
    except ValueError as error:
        raise Refused(
            "The file is not JSON, so nothing was imported. Choose a FHIR R4 bundle saved as .json."
        ) from error
    record = fhir.case_of(name, document)
    if isinstance(record, Rejection):
        raise Refused(f"Nothing was imported: {record.reason}. Choose a FHIR R4 bundle of one patient.")
    draft = save(by=by, fields=_fields(record))
    with _changing(draft, by) as current:
        current.proposals = [_result(result) for result in record.results]
        counts = {"results": len(current.proposals), "not_read": record.extra.get("not_read", {})}
        audit.record(by=by, action="intake.imported", noun="intake", target=current.pk, site=current.site, data=counts)
    return current


def discard(*, draft: IntakeDraft, by: User) -> None:
    with transaction.atomic():
        IntakeDraft.objects.visible_to(by).filter(pk=draft.pk).delete()


def submit(*, draft: IntakeDraft, by: User, facts: dict[str, Any], vitals: list[Value]) -> Case:
    """The case, with every confirmed finding and measurement; refused while one still waits."""
    with _changing(draft, by) as current:
        waiting = [entry["name"] for entry in current.proposals if entry["decision"] == PENDING]
        if waiting:
            raise Refused(
                f"{len(waiting)} proposed finding{'s' if len(waiting) > 1 else ''} still wait for you "
                f"({', '.join(waiting[:3])}{' …' if len(waiting) > 3 else ''}): confirm or dismiss each. All is saved."
            )
        if facts["kind"] == CaseKind.PATIENT and current.fields.get("practice"):
            raise Refused("This draft came from a practice bundle: it cannot become a real patient's case.")
        case = cases.create(by=by, **facts)
        rows = [_row(case, by, entry) for entry in current.proposals if entry["decision"] == CONFIRMED]
        Finding.objects.bulk_create([*rows, *(_vital(case, by, value) for value in vitals)])
        current.case = case
    return case


def suggestions(typed: str) -> list[KnownFinding]:
    """Findings whose name or other words begin with or contain what is typed; best first."""
    wanted = words(typed)
    if not wanted:
        return []
    ranked = []
    for finding in knowledge().findings.values():
        ranks = [rank for phrase in (finding.name, *finding.ask) if (rank := _rank(wanted, words(phrase))) is not None]
        if ranks:
            ranked.append((min(ranks), len(finding.name), finding))
    return [finding for _, _, finding in sorted(ranked, key=lambda row: row[:2])[:SUGGESTED]]


def _rank(wanted: list[str], phrase: list[str]) -> int | None:
    """0 where the phrase begins as typed, 1 where its words do somewhere, else None."""
    joined = " ".join(phrase)
    if joined.startswith(" ".join(wanted)):
        return 0
    return 1 if all(any(word.startswith(typed) for word in phrase) for typed in wanted) else None


@contextmanager
def _changing(draft: IntakeDraft, by: User) -> Iterator[IntakeDraft]:
    """The draft's row, locked and saved at the end: two requests of one page never overwrite each other."""
    with transaction.atomic():
        current = IntakeDraft.objects.visible_to(by).select_for_update(no_key=True).filter(pk=draft.pk).first()
        if current is None:
            raise Refused("This draft is no longer open: it became a case, or was discarded.")
        yield current
        current.save()


def _proposal(kind: str, code: str, name: str, origin: str, quote: str = "") -> dict[str, Any]:
    base = {"id": uuid.uuid4().hex[:12], "kind": kind, "code": code, "name": name}
    return {**base, "origin": origin, "quote": quote, "decision": PENDING}


def _mention(one: reading.Mention) -> dict[str, Any]:
    return {**_proposal("finding", one.code, one.name, "note", one.quote), "state": one.state}


def _measured(one: reading.Measurement) -> dict[str, Any]:
    value = Value(code=one.exam, value=one.value, unit=one.unit, name=one.name)
    return {
        **_proposal("measurement", one.exam, one.name, "note", one.quote),
        "values": [asdict(value)],
        "text": one.quote,
    }


def _result(result: RecordedResult) -> dict[str, Any]:
    entry = _proposal("measurement", "", result.examination, "fhir", result.text)
    return {**entry, "values": [asdict(value) for value in result.values], "text": result.text}


def _joined(known: list[dict[str, Any]], found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Known entries stay as they were decided; a finding or quote met before is not proposed again."""
    seen = {_key(entry) for entry in known}
    return [*known, *(entry for entry in found if _key(entry) not in seen)]


def _key(entry: dict[str, Any]) -> tuple[str, str, str]:
    """A finding is one thing however often it is named; a measurement is one for each time it is written."""
    return entry["kind"], entry["code"], entry["quote"] if entry["kind"] == "measurement" else ""


def _fields(record: CaseRecord) -> dict[str, str]:
    age = "" if record.age_years is None else f"{record.age_years:g}"
    complaint = "" if record.complaint.startswith("No presenting complaint") else record.complaint
    identifier = str(record.extra.get("identifier", ""))
    kind = CaseKind.VIRTUAL if record.extra.get("practice") else CaseKind.PATIENT
    typed = {"kind": str(kind), "practice": "yes" if record.extra.get("practice") else ""}
    facts = {"age_years": age, "sex": record.sex, "complaint": complaint, "identifier": identifier}
    return {**typed, **facts, **record.history}


def _row(case: Case, by: User, entry: dict[str, Any]) -> Finding:
    if entry["kind"] == "measurement":
        return Finding(
            case=case, source=FindingSource.ENTERED, name=entry["name"][:200], code=entry["code"],
            text=entry["text"], values=entry["values"], by=by,
        )  # fmt: skip
    state = FindingState(entry["state"])
    quote = f" (“{entry['quote']}”)" if entry["quote"] else ""
    return Finding(
        case=case, source=FindingSource.ENTERED, name=entry["name"], code=entry["code"], state=state,
        text=f"{state.label}{quote}", by=by,
    )  # fmt: skip


def _vital(case: Case, by: User, value: Value) -> Finding:
    text = f"{value.value:g} {value.unit.replace('[', '').replace(']', '')}"
    return Finding(
        case=case,
        source=FindingSource.ENTERED,
        name=value.name,
        code=value.code,
        text=text,
        values=[asdict(value)],
        by=by,
    )
