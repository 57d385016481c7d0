"""An annotation as a FHIR R4 QuestionnaireResponse: one answer for each criterion, with the words it rests on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from clinic.fhir.parts import AI_ASSERTED, FOR_PRACTICE, Resource, coding, identify, instant
from clinic.models import Annotation, AnnotationOrigin, AnnotationStatus, Rating

VERDICTS = "urn:rounds:verdict"
DIMENSIONS = "urn:rounds:preference"
STATUS = {AnnotationStatus.SUBMITTED: "completed", AnnotationStatus.RETURNED: "amended"}
WHOLE = (
    ("first_wrong_turn", "First wrong turn", "valueInteger"),
    ("correction", "What would have been right", "valueString"),
    ("harm", "Severity of harm", "valueString"),
    ("critique", "Critique", "valueString"),
    ("score", "Score", "valueDecimal"),
    ("coverage", "Coverage", "valueDecimal"),
)
"""What is said about the whole: column, text of the item, type of its answer."""


def response_of(annotation: Annotation) -> Resource:
    """R4 JSON. What a judge model said is labelled as asserted by a machine, and a practice case as practice."""
    item = annotation.item
    found: Resource = {
        "resourceType": "QuestionnaireResponse",
        "id": identify("annotation", annotation.pk),
        "identifier": {"system": "urn:rounds:annotation", "value": str(annotation.pk)},
        "status": STATUS.get(AnnotationStatus(annotation.status), "in-progress"),
        "subject": {"type": "Encounter", "identifier": _identifier("consultation", item.consultation_id)},
        "source": _source(annotation),
        "item": [*_ratings(annotation), *_preferences(annotation), *_whole(annotation)],
    }
    if annotation.rubric_version_id:
        found["questionnaire"] = f"urn:uuid:{annotation.rubric_version_id}"
    if annotation.submitted_at:
        found["authored"] = instant(annotation.submitted_at)
    if labels := _labels(annotation):
        found["meta"] = {"security": labels}
    if not found["item"]:
        del found["item"]
    return found


def _identifier(kind: str, key: object) -> dict[str, str]:
    return {"system": f"urn:rounds:{kind}", "value": str(key)}


def _source(annotation: Annotation) -> dict[str, Any]:
    if annotation.annotator is None:  # a judge's: R4 has no Device here
        return {"display": f"Judge {annotation.judge.get('model', '')}".strip()}
    return {"type": "Practitioner", "display": annotation.annotator.display_name}


def _labels(annotation: Annotation) -> list[dict[str, str]]:
    labels = [AI_ASSERTED] if annotation.origin == AnnotationOrigin.JUDGE else []
    return labels if annotation.item.consultation.case.is_real else [*labels, FOR_PRACTICE]


def _ratings(annotation: Annotation) -> Iterator[Resource]:
    """Per-turn verdicts are answers of their own, each under its turn's number."""
    for rating in annotation.ratings.all():
        link = rating.criterion.key if rating.turn is None else f"{rating.criterion.key}.turn-{rating.turn}"
        answer: Resource = {"valueCoding": coding(VERDICTS, rating.verdict, rating.get_verdict_display())}
        if below := list(_below(link, rating)):
            answer["item"] = below
        yield {"linkId": link, "text": rating.criterion.text, "answer": [answer]}


def _below(link: str, rating: Rating) -> Iterator[Resource]:
    if rating.evidence:
        yield _said(f"{link}.evidence", "Evidence", "valueString", rating.evidence)
    if rating.evidence_turn is not None:
        yield _said(f"{link}.evidence-turn", "Turn of the evidence", "valueInteger", rating.evidence_turn)
    if rating.reason:
        yield _said(f"{link}.reason", "Reason", "valueString", rating.reason)


def _preferences(annotation: Annotation) -> Iterator[Resource]:
    for row in annotation.preferences.all():
        answer: Resource = {"valueCoding": coding(DIMENSIONS, row.choice, row.get_choice_display())}
        if row.why:
            answer["item"] = [_said(f"preference.{row.dimension}.why", "Why", "valueString", row.why)]
        yield {"linkId": f"preference.{row.dimension}", "text": row.get_dimension_display(), "answer": [answer]}


def _whole(annotation: Annotation) -> Iterator[Resource]:
    for name, text, kind in WHOLE:
        value = getattr(annotation, name)
        if value not in (None, ""):
            yield _said(name.replace("_", "-"), text, kind, value)


def _said(link: str, text: str, kind: str, value: object) -> Resource:
    return {"linkId": link, "text": text, "answer": [{kind: value}]}
