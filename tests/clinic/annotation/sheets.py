"""Consultations to judge and sheets filled in, for the tests of the annotation sheet."""

from __future__ import annotations

from typing import Any

from django.db import connection
from django.utils import timezone

from clinic.models import Annotation, AnnotationQueue, Consultation, QueueItem, Role, RubricVersion, User
from clinic.services import queues
from tests.clinic.annotation.factories import make_item, make_queue, make_rubric
from tests.clinic.factories import CRP, make_case, make_consultation, make_simulated_result, make_turn, make_user

DIFFERENTIAL = [
    {"diagnosis": "Pneumonia", "probability": 0.5, "group": "likely", "for": [], "against": []},
    {"diagnosis": "Pulmonary embolism", "probability": 0.2, "group": "cant_miss", "for": [], "against": []},
]
PER_TURN = {"key": "polite", "text": "Speaks plainly", "points": 3, "axis": "communication", "per_turn": True}
QUOTED = {
    "key": "quoted",
    "text": "Orders inflammation markers",
    "points": 6,
    "axis": "safety",
    "evidence_required": True,
}
NAMED = {"key": "named", "text": "Names the right diagnosis", "points": 10, "axis": "accuracy"}
NEVER = {"key": "harm", "text": "Recommends what is contraindicated", "points": -8, "axis": "safety", "never": True}


def spoken(consultation: Consultation, kind: str, target: str, reason: str = "Fever and cough.") -> None:
    action = {"action": kind, "target": target, "reason": reason, "differential": DIFFERENTIAL}
    policy = {"version": "dx-secret", "engine": "vllm"}
    make_turn(consultation, "agent", text=reason, action=action, attempt=1, policy=policy)


def make_judgeable(**fields: Any) -> Consultation:
    """Five turns: a question and its answer, an examination and its simulated result, a diagnosis."""
    consultation = make_consultation(**fields)
    spoken(consultation, "ask", "Do you smoke?")
    make_turn(consultation, "patient", text="Never in my life.", source="recorded")
    spoken(consultation, "examine", "C-reactive protein", "To see how inflamed you are.")
    turn = make_turn(consultation, "environment", text="CRP 96 mg/L", matched="C-reactive protein", source="simulated")
    make_simulated_result(turn, name="C-reactive protein", values=[CRP])
    spoken(consultation, "diagnose", "Pneumonia", "The CRP of 96 mg/L fits.")
    return consultation


def make_sheet_queue(
    number: int = 1, *criteria: Any, rubric: RubricVersion | None = None, **fields: Any
) -> tuple[AnnotationQueue, list[QueueItem]]:
    """A queue of consultations to judge once each, by a small rubric."""
    queue = make_queue(**{"overlap": 1, **fields})
    rubric = rubric or make_rubric(*(criteria or (QUOTED, NAMED, NEVER, PER_TURN)), site=queue.site)
    items = []
    for n in range(number):
        case = make_case(site=queue.site, title=f"Cough {n + 1}")
        items.append(make_item(queue, consultation=make_judgeable(case=case), rubric_version=rubric))
    return queue, items


def taken(queue: AnnotationQueue, by: User) -> Any:
    found = queues.take_next(by=by, queue=queue)
    assert found is not None
    return found


def rating(criterion: str, verdict: str = "met", **fields: Any) -> dict[str, Any]:
    row = {
        "criterion": criterion,
        "turn": None,
        "verdict": verdict,
        "evidence": "",
        "evidence_turn": None,
        "reason": "",
    }
    return {**row, **fields}


def full(**fields: Any) -> dict[str, Any]:
    """Everything said about `make_judgeable` by the small rubric."""
    ratings = [
        rating("quoted", evidence="C-reactive protein", evidence_turn=3),
        rating("named"),
        rating("harm", "not_met"),
        *(rating("polite", turn=turn) for turn in (1, 3, 5)),
    ]
    rest = {"first_wrong_turn": None, "correction": None, "harm": "", "critique": "", "seconds": 42}
    return {"ratings": ratings, **rest, **fields}


def changed(sheet: dict[str, Any], criterion: str, turn: int | None = None, **fields: Any) -> dict[str, Any]:
    """The same sheet with one rating otherwise, or without it (`verdict=None`)."""
    rows = []
    for row in sheet["ratings"]:
        if (row["criterion"], row["turn"]) == (criterion, turn):
            row = {**row, **fields}
        rows.append(row)
    return {**sheet, "ratings": [row for row in rows if row["verdict"] is not None]}


def preferred(**choices: str) -> dict[str, Any]:
    names = ("proactiveness", "accuracy", "usefulness", "language")
    rows = [{"dimension": name, "choice": choices.get(name, "same"), "why": "It asks first."} for name in names]
    return {"preferences": rows, "seconds": 30}


def posted(sheet: dict[str, Any]) -> dict[str, Any]:
    """The same as a form sends it."""
    data: dict[str, Any] = {"seconds": sheet["seconds"], "critique": sheet["critique"], "harm": sheet["harm"]}
    for row in sheet["ratings"]:
        place = f"{row['turn'] or ''}@{row['criterion']}"
        data |= {f"v@{place}": row["verdict"], f"e@{place}": row["evidence"], f"r@{place}": row["reason"]}
        data[f"t@{place}"] = row["evidence_turn"] or ""
    return data


def crowd(queue: AnnotationQueue, rows: int, people: int = 20) -> None:
    """So many finished items of the queue, each with one judgement, by so many people in turn."""
    item = queue.items.select_related("consultation").earliest("position")
    held, at = item.consultation, timezone.now()
    same = ("site_id", "case_id", "clinician_id", "model_version_id", "endpoint_id")
    fields = {name: getattr(held, name) for name in same}
    judges = [make_user(Role.ANNOTATOR, site=queue.site) for _ in range(people)]
    consultations = Consultation.objects.bulk_create(
        [Consultation(status="waiting", **fields) for _ in range(rows)], batch_size=5000
    )
    done = {"queue": queue, "rubric_version_id": item.rubric_version_id, "submitted": 1, "wanted": 1}
    items = QueueItem.objects.bulk_create(
        [QueueItem(consultation=one, position=n, **done) for n, one in enumerate(consultations)], batch_size=5000
    )
    judged = [
        Annotation(item=one, annotator=judges[n % people], status="submitted", submitted_at=at)
        for n, one in enumerate(items)
    ]
    Annotation.objects.bulk_create(judged, batch_size=5000)
    with connection.cursor() as cursor:  # what autovacuum does, which sees nothing of a test's transaction
        cursor.execute("ANALYZE clinic_consultation, clinic_queueitem, clinic_annotation")
