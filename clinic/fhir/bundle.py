"""Builds the bundle: who, what was found, what was ordered, what the agent suggested, what the clinician decided."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import takewhile
from typing import Any

from agents.examinations import same
from agents.types import Source
from clinic.fhir.parts import (
    AI_ASSERTED,
    FINDINGS,
    FOR_PRACTICE,
    HL7,
    LOINC,
    Resource,
    category,
    coding,
    concept,
    diagnosis,
    examination,
    identify,
    instant,
    measured,
    reference,
)
from clinic.models import (
    Certainty,
    ConsultationStatus,
    Finding,
    FindingState,
    LedgerEntry,
    LedgerOrigin,
    LedgerStatus,
    Turn,
    TurnRole,
    User,
)
from clinic.summary import Summary, evidence_words

SECTION_CODES = {"hpi": "10164-2", "family": "10157-6", "social": "29762-2", "review": "10187-3"}
"""LOINC codes of the sections that are text; the others are lists of their own resources."""
GENDERS = ("female", "male", "other", "unknown")
LEDGER_SAYS = {
    LedgerStatus.EXCLUDED: "refuted",
    LedgerStatus.OPEN: "differential",
    LedgerStatus.ACCEPTED: "differential",
}


def bundle_of(summary: Summary) -> Resource:
    """A FHIR R4 collection. Simulated results are not in it; a case without a patient is labelled as practice."""
    resources = list(_Builder(summary).resources())
    if not summary.is_real:
        for resource in resources:
            meta = resource.setdefault("meta", {})
            meta["security"] = [*meta.get("security", []), FOR_PRACTICE]
    return {
        "resourceType": "Bundle",
        "id": identify("bundle", summary.consultation.pk),
        "type": "collection",
        "timestamp": instant(summary.made_at),
        "entry": [{"fullUrl": f"urn:uuid:{resource['id']}", "resource": resource} for resource in resources],
    }


class _Builder:
    """Builds in the order in which resources refer to each other."""

    def __init__(self, summary: Summary) -> None:
        self.summary = summary
        self.key = summary.consultation.pk
        self.patient = self._patient()
        self.clinician = self._practitioner(summary.consultation.clinician)
        self.device = self._device()
        self.encounter = self._encounter()
        self.authors: dict[str, User] = {}
        """Who entered a resource, where it was not the clinician who holds the consultation."""

    def resources(self) -> Iterator[Resource]:
        yield from (self.patient, self.clinician, self.device, self.encounter)
        by_people = [*self._history(), *self._found(), *self._results(), *self._decided()]
        by_agent = [*self._suggested()]
        yield from by_people
        yield from by_agent
        yield from self._provenance(by_people, by_agent)

    def _new(self, kind: str, key: object, **fields: Any) -> Resource:
        return {"resourceType": kind, "id": identify(kind, f"{self.key}/{key}"), **fields}

    def _about(self) -> dict[str, Any]:
        return {"subject": reference(self.patient), "encounter": reference(self.encounter)}

    # --- who -------------------------------------------------------------------------------------------------------

    def _patient(self) -> Resource:
        case = self.summary.case
        person = case.patient
        gender = case.sex if case.sex in GENDERS else "unknown"
        patient = self._new("Patient", "patient", gender=gender)
        if person is None:
            return {**patient, "active": False, "identifier": [{"system": "urn:rounds:case", "value": case.key}]}
        patient["identifier"] = [{"system": f"urn:rounds:site:{person.site_id}", "value": person.identifier}]
        if person.name:
            patient["name"] = [{"text": person.name}]
        if person.birth_date:
            patient["birthDate"] = person.birth_date.isoformat()
        return patient

    def _practitioner(self, user: User) -> Resource:
        return self._new("Practitioner", f"user/{user.pk}", name=[{"text": user.display_name}])

    def _device(self) -> Resource:
        version = self.summary.consultation.model_version
        facts = [("model", version.version), *(("training", str(version.training)),)]
        return self._new(
            "Device",
            "agent",
            status="active",
            deviceName=[{"name": f"Rounds diagnostic agent, {version.name}", "type": "model-name"}],
            type=concept("Diagnostic decision support, artificial intelligence"),
            version=[{"type": concept(kind), "value": value} for kind, value in facts],
            note=[{"text": version.get_training_display()}],
        )

    def _encounter(self) -> Resource:
        consultation = self.summary.consultation
        closed = consultation.status == ConsultationStatus.CLOSED
        period = {"start": instant(consultation.created_at)}
        if consultation.closed_at:
            period["end"] = instant(consultation.closed_at)
        return self._new(
            "Encounter",
            "encounter",
            status="finished" if closed else "in-progress",
            **{"class": coding(f"{HL7}v3-ActCode", "AMB", "ambulatory")},
            subject=reference(self.patient),
            participant=[{"individual": reference(self.clinician)}],
            period=period,
            reasonCode=[concept(self.summary.case.complaint)],
        )

    # --- what is known ---------------------------------------------------------------------------------------------

    def _history(self) -> Iterator[Resource]:
        if self.summary.case.age_years is not None:
            yield self._observation(
                "age",
                concept("Age", coding(LOINC, "30525-0", "Age")),
                valueQuantity={"value": self.summary.case.age_years, "unit": "a"},
            )
        for key, name, text in self.summary.sections:
            yield from self._section(key, name, text)

    def _section(self, key: str, name: str, text: str) -> Iterator[Resource]:
        if key in SECTION_CODES:
            code = concept(name, coding(LOINC, SECTION_CODES[key]))
            yield self._observation(f"section/{key}", code, valueString=text)
            return
        for number, line in enumerate(filter(None, (line.strip() for line in text.splitlines()))):
            about = {"past": self._past, "drugs": self._drug, "allergies": self._allergy}[key]
            yield about(f"{key}/{number}", line)

    def _past(self, key: str, line: str) -> Resource:
        clinical = {"coding": [coding(f"{HL7}condition-clinical", "active")]}
        kind = category("condition-category", "problem-list-item")
        return self._new("Condition", key, clinicalStatus=clinical, category=kind, code=concept(line), **self._about())

    def _drug(self, key: str, line: str) -> Resource:
        return self._new(
            "MedicationStatement",
            key,
            status="unknown",
            medicationCodeableConcept=concept(line),
            subject=reference(self.patient),
            context=reference(self.encounter),
        )

    def _allergy(self, key: str, line: str) -> Resource:
        clinical = {"coding": [coding(f"{HL7}allergyintolerance-clinical", "active")]}
        return self._new(
            "AllergyIntolerance",
            key,
            clinicalStatus=clinical,
            code=concept(line),
            patient=reference(self.patient),
            encounter=reference(self.encounter),
        )

    def _found(self) -> Iterator[Resource]:
        for row in self.summary.findings:
            if row.values:
                yield from self._numbers(row)
            else:
                yield self._finding(row)

    def _finding(self, row: Finding) -> Resource:
        code = concept(row.name, coding(FINDINGS, row.code, row.name)) if row.code else concept(row.name)
        says: dict[str, Any] = {"valueString": row.text} if row.text else {}
        if row.code:
            says = {"valueBoolean": row.state == FindingState.PRESENT}
        if row.code and row.state == FindingState.UNKNOWN:
            says = {"dataAbsentReason": concept("Unknown", coding(f"{HL7}data-absent-reason", "unknown"))}
        note = {"note": [{"text": row.text}]} if row.text and "valueString" not in says else {}
        return self._observation(f"finding/{row.pk}", code, row, **says, **note)

    def _results(self) -> Iterator[Resource]:
        asked = {turn.pk for turn in self.summary.turns if turn.role == TurnRole.ENVIRONMENT}
        for row in self.summary.results:
            numbers = list(self._numbers(row))
            yield from numbers
            issued = instant(row.at)
            # An answer is named by its question, and a question is no examination.
            code = examination(row.name) if row.turn_id in asked else concept(row.name)
            yield (
                self._new(
                    "DiagnosticReport",
                    f"report/{row.pk}",
                    status="final",
                    code=code,
                    effectiveDateTime=issued,
                    issued=issued,
                    result=[reference(number) for number in numbers],
                    conclusion=row.text,
                    **self._about(),
                )
                if numbers
                else self._observation(f"report/{row.pk}", code, row, valueString=row.text)
            )

    def _numbers(self, row: Finding) -> Iterator[Resource]:
        for number, value in enumerate(row.values):
            part = measured(value)
            yield self._observation(f"value/{row.pk}/{number}", part.pop("code"), row, **part)

    def _observation(self, key: str, code: dict[str, Any], row: Finding | None = None, **fields: Any) -> Resource:
        at = row.at if row else self.summary.consultation.created_at
        made = self._new(
            "Observation", key, status="final", code=code, effectiveDateTime=instant(at), **fields, **self._about()
        )
        if row and row.by:
            self.authors[made["id"]] = row.by
        return made

    # --- what was done and decided -----------------------------------------------------------------------------------

    def _decided(self) -> Iterator[Resource]:
        for entry in self.summary.ledger:
            if entry.decided_by or entry.origin == LedgerOrigin.CLINICIAN:
                made = self._ledger(entry)
                if entry.decided_by:
                    self.authors[made["id"]] = entry.decided_by
                yield made
        consultation = self.summary.consultation
        if consultation.diagnosis:
            yield self._diagnosed("diagnosis", consultation.diagnosis, "provisional", consultation.closing_note)
        outcome = self.summary.outcome
        if outcome:
            sure = "confirmed" if outcome.certainty == Certainty.CONFIRMED else "provisional"
            yield self._diagnosed(f"outcome/{outcome.pk}", outcome.diagnosis, sure, outcome.note)

    def _diagnosed(self, key: str, name: str, verification: str, note: str) -> Resource:
        return self._new(
            "Condition",
            key,
            clinicalStatus={"coding": [coding(f"{HL7}condition-clinical", "active")]},
            verificationStatus={"coding": [coding(f"{HL7}condition-ver-status", verification)]},
            category=category("condition-category", "encounter-diagnosis"),
            code=diagnosis(name),
            **({"note": [{"text": note}]} if note else {}),
            **self._about(),
        )

    def _ledger(self, entry: LedgerEntry) -> Resource:
        evidence = evidence_words(entry)
        says = f"Can’t miss; {entry.get_status_display().lower()}"
        text = ". ".join(filter(None, [says, entry.reason, "; ".join(evidence)]))
        verification = LEDGER_SAYS[LedgerStatus(entry.status)]
        clinical = (
            {}
            if verification == "refuted"
            else {"clinicalStatus": {"coding": [coding(f"{HL7}condition-clinical", "active")]}}
        )
        return self._new(
            "Condition",
            f"ledger/{entry.pk}",
            **clinical,
            verificationStatus={"coding": [coding(f"{HL7}condition-ver-status", verification)]},
            category=category("condition-category", "encounter-diagnosis"),
            code=diagnosis(entry.name),
            note=[{"text": text}],
            **self._about(),
        )

    # --- what the agent said -----------------------------------------------------------------------------------------

    def _suggested(self) -> Iterator[Resource]:
        for turn in self.summary.agent_turns:
            if (turn.action or {}).get("action") == "examine":
                yield self._recommended(turn, ordered=self._was_done(turn))
        for entry in self.summary.ledger:
            if not entry.decided_by and entry.origin != LedgerOrigin.CLINICIAN:
                yield {**self._ledger(entry), "meta": {"security": [AI_ASSERTED]}}
        if self.summary.last_answer:
            yield self._impression(self.summary.last_answer)

    def _was_done(self, turn: Turn) -> bool:
        """Whether what came back before the agent spoke again was this examination, and not another or none."""
        later = (one for one in self.summary.turns if one.number > turn.number)
        replies = takewhile(lambda one: one.role != TurnRole.AGENT, later)
        target = str((turn.action or {})["target"])
        return any(
            one.role == TurnRole.ENVIRONMENT
            and one.source != Source.UNAVAILABLE
            and (_folded(said := one.matched or one.request) == _folded(target) or same(said, target))
            for one in replies
        )

    def _recommended(self, turn: Turn, *, ordered: bool) -> Resource:
        action = turn.action or {}
        return self._new(
            "ServiceRequest",
            f"turn/{turn.number}",
            meta={"security": [AI_ASSERTED]},
            status="completed" if ordered else "draft",
            intent="proposal",
            code=examination(str(action["target"])),
            authoredOn=instant(turn.started_at),
            requester=reference(self.device),
            reasonCode=[concept(str(action.get("reason") or turn.text or "No reason given"))],
            **self._about(),
        )

    def _impression(self, turn: Turn) -> Resource:
        action = turn.action or {}
        return self._new(
            "ClinicalImpression",
            f"turn/{turn.number}",
            meta={"security": [AI_ASSERTED]},
            status="completed",
            description=f"Differential suggested by the agent at turn {turn.number}; advice, not a diagnosis.",
            effectiveDateTime=instant(turn.started_at),
            date=instant(turn.started_at),
            **({"summary": str(action["reason"])} if action.get("reason") else {}),
            finding=[
                {"itemCodeableConcept": diagnosis(str(entry["diagnosis"])), "basis": _basis(entry)}
                for entry in self.summary.differential
            ],
            **self._about(),
        )

    def _provenance(self, by_people: list[Resource], by_agent: list[Resource]) -> Iterator[Resource]:
        holder = self.summary.consultation.clinician
        of: dict[int, list[Resource]] = {}
        people = {holder.pk: holder, **{user.pk: user for user in self.authors.values()}}
        for resource in by_people:
            of.setdefault(self.authors.get(resource["id"], holder).pk, []).append(resource)
        for pk, made in of.items():
            who = self.clinician if pk == holder.pk else self._practitioner(people[pk])
            if who is not self.clinician:
                yield who
            yield self._made(f"person/{pk}", made, who, "author", [])
        if by_agent:
            yield self._made("agent", by_agent, self.device, "assembler", [AI_ASSERTED])

    def _made(self, key: str, made: list[Resource], who: Resource, role: str, labels: list[dict[str, str]]) -> Resource:
        kind = {"coding": [coding(f"{HL7}provenance-participant-type", role)]}
        agent = {"type": kind, "who": reference(who)}
        meta = {"meta": {"security": labels}} if labels else {}
        targets = [reference(resource) for resource in made]
        return self._new(
            "Provenance", key, **meta, target=targets, recorded=instant(self.summary.made_at), agent=[agent]
        )


def _folded(text: str) -> str:
    return " ".join(text.casefold().split())


def _basis(entry: dict[str, Any]) -> str:
    """The stated probability, its group, and what the agent named for and against it."""
    stated = entry.get("probability")
    parts = ["no probability stated" if stated is None else f"stated probability {stated:.0%}"]
    parts.append(f"group {str(entry.get('group', 'likely')).replace('_', ' ')}")
    parts += [f"{word}: {', '.join(entry[word])}" for word in ("for", "against") if entry.get(word)]
    return "; ".join(parts)
