"""An annotation as a FHIR R4 QuestionnaireResponse: one answer for each criterion, with the words it rests on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from agents.rubric_formats.fhir_questionnaire import BELOW, WHOLE, below, canonical, whole
from clinic.fhir.parts import AI_ASSERTED, FOR_PRACTICE, Resource, coding, identify, instant
from clinic.models import Annotation, AnnotationOrigin, AnnotationStatus, Rating

VERDICTS = "urn:rounds:verdict"
DIMENSIONS = "urn:rounds:preference"
STATUS = {AnnotationStatus.SUBMITTED: "completed", AnnotationStatus.RETURNED: "amended"}
VALUES = {"integer": "valueInteger", "decimal": "valueDecimal", "string": "valueString", "text": "valueString"}


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
    if version := annotation.rubric_version:
        found["questionnaire"] = f"{canonical(str(version.rubric_id))}|{version.number}"
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
    """One item for each criterion; per-turn verdicts are its answers, each with its turn's number."""
    given: dict[str, list[Rating]] = {}
    for rating in annotation.ratings.all():
        given.setdefault(rating.criterion.key, []).append(rating)
    for key, rows in given.items():
        answers = [_answer(row) for row in sorted(rows, key=lambda row: row.turn or 0)]
        yield {"linkId": key, "text": rows[0].criterion.text, "answer": answers}


def _answer(rating: Rating) -> Resource:
    answer: Resource = {"valueCoding": coding(VERDICTS, rating.verdict, rating.get_verdict_display())}
    said = [
        _said(below(rating.criterion.key, name), *asked, value)
        for name, asked in BELOW.items()
        if (value := getattr(rating, name.replace("-", "_"))) not in (None, "")
    ]
    return {**answer, "item": said} if said else answer


def _preferences(annotation: Annotation) -> Iterator[Resource]:
    for row in annotation.preferences.all():
        answer: Resource = {"valueCoding": coding(DIMENSIONS, row.choice, row.get_choice_display())}
        if row.why:
            answer["item"] = [_said(f"preference.{row.dimension}.why", "Why", "text", row.why)]
        yield {"linkId": f"preference.{row.dimension}", "text": row.get_dimension_display(), "answer": [answer]}


def _whole(annotation: Annotation) -> Iterator[Resource]:
    for name, asked in WHOLE.items():
        value = getattr(annotation, name.replace("-", "_"))
        if value not in (None, ""):
            yield _said(whole(name), *asked, value)


def _said(link: str, text: str, kind: str, value: object) -> Resource:
    return {"linkId": link, "text": text, "answer": [{VALUES[kind]: value}]}
