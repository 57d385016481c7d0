"""The one reading of what is known about a case in one consultation: coded, measured, reported, and where it stands."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from django.db.models import Q

from agents.knowledge.catalogue import catalogue
from agents.knowledge.conditions import knowledge
from agents.knowledge.safety import Fact
from agents.world.oracle import Evidence
from clinic.fact_texts import Read, complaint_groups, read_text
from clinic.measures import exam_of, in_catalogue_unit
from clinic.models import (
    Case,
    CaseKind,
    Consultation,
    Finding,
    FindingSource,
    FindingState,
    SimulatedResult,
    Turn,
    TurnRole,
)

SIMULATED = "simulated"
DECLINED, CORRECTED = "Not needed: ", "My differential: "
"""How the turns begin in which a clinician answers the agent's words with their own."""
QUESTION = re.compile(r"[^.!?\n]*\?")
OTHERS = "family"
"""The section of the history that is about other people."""
ALLERGIES = "allergies"
"""Its reactions are not what the patient has now."""
TOLD = {CaseKind.PATIENT: FindingSource.ENTERED, CaseKind.RECORD: FindingSource.RECORDED, CaseKind.VIRTUAL: SIMULATED}
Row = Finding | SimulatedResult


@dataclass(frozen=True, slots=True)
class Known:
    """One fact: a finding's state, a value in the catalogue's unit, or the id of a categorical result."""

    id: str
    value: Fact | None
    """None: asked for, and not known."""
    name: str
    quote: str
    """The words of this case that say it."""
    source: str
    """entered, recorded or simulated."""
    row: str
    """Where the page shows it: f12 a finding, s3 a simulated result, t5 a turn, case:hpi a section."""
    turn: int | None = None
    at: datetime | None = None
    coded: bool = False
    """A person confirmed the code; otherwise it was read from text."""

    @property
    def state(self) -> str:
        if self.value is None:
            return FindingState.UNKNOWN
        return FindingState.ABSENT if self.value is False else FindingState.PRESENT

    @property
    def simulated(self) -> bool:
        return self.source == SIMULATED

    @property
    def anchor(self) -> str:
        """The id of the element that shows it."""
        return f"turn-{self.row[1:]}" if self.row[:1] == "t" else f"fact-{self.row.replace(':', '-')}"

    @property
    def own_place(self) -> bool:
        """A coded row is shown by its fact alone; any other fact points to the row that says it."""
        return self.coded and self.row[:1] == "f"

    def as_evidence(self) -> dict[str, Any]:
        return {"finding": self.id, "name": self.name, "text": self.quote, "turn": self.turn, "source": self.source}


@dataclass(slots=True)
class Facts:
    """Everything known by one point in time. Ids of findings and of examinations never overlap in the knowledge."""

    coded: dict[str, Known] = field(default_factory=dict)
    values: dict[str, Known] = field(default_factory=dict)
    results: dict[str, Known] = field(default_factory=dict)
    rows: dict[str, Known] = field(default_factory=dict)
    """Every row as a fact of its own, coded or not, by where it is shown."""
    sections: list[Known] = field(default_factory=list)
    """The complaint and the sections of the history, as facts of their own."""
    series: dict[str, list[Known]] = field(default_factory=dict)
    """Every measured value of an examination, oldest first."""
    source: str = FindingSource.ENTERED
    """Where the history comes from."""
    text: str = ""
    drugs: str = ""
    allergies: str = ""
    groups: tuple[str, ...] = ()
    age_years: float | None = None
    sex: str = "unknown"

    @property
    def group(self) -> str | None:
        """The complaint of the knowledge under which this case is seen; None outside of it."""
        return self.groups[0] if self.groups else None

    def all(self) -> list[Known]:
        return [*self.coded.values(), *self.values.values(), *self.results.values()]

    def find(self, ref: str) -> Known | None:
        """By the id of a finding or examination, or by a row's place."""
        tables = (self.coded, self.values, self.results, self.rows)
        return next((table[ref] for table in tables if ref in table), None)

    def mapping(self) -> dict[str, Fact]:
        """For agents.knowledge.safety; what is not known is left out."""
        return {fact.id: fact.value for fact in self.all() if fact.value is not None}

    def evidence(self) -> list[Evidence]:
        """For agents.world.oracle."""
        return [Evidence(key, value) for key, value in self.mapping().items()]


def read_facts(consultation: Consultation) -> Facts:
    """The facts of a consultation, its rows read here (three queries)."""
    mine = Q(consultation=consultation) | Q(consultation=None)
    findings = Finding.objects.filter(mine, case=consultation.case_id, retracted_at=None).select_related("turn")
    simulated = SimulatedResult.objects.filter(consultation=consultation, retracted_at=None).select_related("turn")
    return facts_of(consultation, list(findings), list(simulated), list(consultation.turns.all()))


def facts_of(
    consultation: Consultation,
    findings: Sequence[Finding],
    simulated: Sequence[SimulatedResult],
    turns: Sequence[Turn] = (),
) -> Facts:
    """From rows already read, with `row.turn` in memory where there is one: no query."""
    case = consultation.case
    facts = Facts(
        text=_text(case),
        drugs=str(case.history.get("drugs") or ""),
        allergies=str(case.history.get("allergies") or ""),
        groups=complaint_groups(case.complaint, str(case.extra.get("group") or ""), str(case.history.get("hpi") or "")),
        age_years=case.age_years,
        sex=case.sex,
        source=str(TOLD[CaseKind(case.kind)]),
    )
    for name, text in _sections(case):
        section = Known(f"case:{name}", text, name.replace("_", " "), text, facts.source, f"case:{name}")
        facts.sections.append(section)
        if name != ALLERGIES:
            _take(facts, read_text(text), section)
    everything: list[Row] = [*findings, *simulated]
    rows = [row for row in everything if row.retracted_at is None]
    said = [turn for turn in _messages(turns) if turn.retracted_at is None]
    for item in sorted([*rows, *said], key=_when):
        _message(facts, item) if isinstance(item, Turn) else _row(facts, item)
    return facts


def _when(item: Row | Turn) -> datetime:
    return item.started_at if isinstance(item, Turn) else item.at


def _sections(case: Case) -> list[tuple[str, str]]:
    told = {"complaint": case.complaint, **case.history}
    return [(key, str(text)) for key, text in told.items() if text and key != OTHERS]


def _text(case: Case) -> str:
    return "\n".join(text for _, text in _sections(case))


def _messages(turns: Sequence[Turn]) -> Iterable[Turn]:
    """What the clinician told in passing; a question to the patient tells nothing."""
    after = {turn.number - 1: turn.role for turn in turns}
    return (
        turn
        for turn in turns
        if turn.role == TurnRole.CLINICIAN and not turn.source and after.get(turn.number) != TurnRole.PATIENT
    )


def _message(facts: Facts, turn: Turn) -> None:
    told = _own_words(turn)
    facts.text += f"\n{told}"
    place = Known("", None, "", "", FindingSource.ENTERED, f"t{turn.number}", turn.number, turn.started_at)
    _take(facts, read_text(told), place)


def _own_words(turn: Turn) -> str:
    """What the clinician states: not what they repeat of the agent's, not a differential, not a question."""
    if turn.text.startswith(CORRECTED):
        return ""
    text = turn.text.removeprefix(DECLINED + turn.request) if turn.request else turn.text
    return QUESTION.sub(" ", text)


def _row(facts: Facts, row: Row) -> None:
    """A row's own code first, then its numbers, then its words."""
    place = Known(
        id="",
        value=None,
        name=row.name,
        quote=row.text or row.name,
        source=SIMULATED if isinstance(row, SimulatedResult) else row.source,
        row=place_of(row),
        turn=row.turn.number if row.turn_id and row.turn else None,
        at=row.at,
    )
    if not (isinstance(row, Finding) and row.code and row.state == FindingState.UNKNOWN):
        facts.rows[place.row] = replace(place, id=place.row, value=row.text or row.name)
    facts.text += f"\n{row.name}: {row.text}"
    if isinstance(row, Finding) and row.code:
        _coded(facts, row, place)
        return
    for value in row.values:
        _value(facts, value, row.name, place)
    _take(facts, read_text(row.text, row.name), place)


def _coded(facts: Facts, row: Finding, place: Known) -> None:
    """A code that a person confirmed; the words of the row are not read again."""
    states = {FindingState.PRESENT: True, FindingState.ABSENT: False, FindingState.UNKNOWN: None}
    if row.code in knowledge().findings:
        name = knowledge().findings[row.code].name
        facts.coded[row.code] = replace(
            place, id=row.code, value=states[FindingState(row.state)], name=name, coded=True
        )
    for value in row.values:
        _value(facts, value, row.code, replace(place, coded=True))


def _value(facts: Facts, value: Mapping[str, Any], row: str, place: Known) -> None:
    exam = exam_of(value, row)
    number = value.get("value")
    if exam is None or exam.analyte is None or not isinstance(number, (int, float)):
        return
    converted = in_catalogue_unit(exam.analyte, float(number), str(value.get("unit") or ""))
    if converted is not None:
        quote = f"{value.get('name') or exam.name} {number:g} {value.get('unit') or ''}".strip()
        known = replace(place, id=exam.id, value=converted, name=exam.name, quote=quote)
        facts.values[exam.id] = known
        facts.series.setdefault(exam.id, []).append(known)


def _take(facts: Facts, found: Iterable[Read], place: Known) -> None:
    """What was read from text: the latest counts, but never against a code that a person confirmed."""
    for item in found:
        known = replace(place, id=item.id, value=item.value, name=item.name, quote=item.quote)
        table = facts.coded if item.kind == "finding" else facts.values if item.kind == "value" else facts.results
        before = table.get(item.id)
        if before is None or not _stands(before, item, place):
            table[item.id] = known
            if item.kind == "value":
                facts.series.setdefault(item.id, []).append(known)


def _stands(before: Known, item: Read, place: Known) -> bool:
    """Whether what is known already outweighs what was read now.

    A number is of its time, so a later one always counts. What nobody knew, anybody may tell. A doubt takes nothing
    back, and a code that a person confirmed outweighs words, but never a danger that appears later.
    """
    if item.kind == "value":
        return before.row == place.row
    if before.value is None:
        return False
    appears = before.value is False and item.value is True and place.turn is not None
    return item.value is None or (before.coded and not appears)


def place_of(row: Row) -> str:
    """Where a row is shown, as `Known.row` names it."""
    return f"{'s' if isinstance(row, SimulatedResult) else 'f'}{row.pk}"


def name_of(fact: str) -> str:
    """What a person calls a finding or an examination of the knowledge."""
    finding = knowledge().findings.get(fact)
    return finding.name if finding else catalogue().exams[fact].name
