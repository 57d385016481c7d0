"""A rubric as an HL7 FHIR R4 Questionnaire: one choice item for each criterion, its points on the answer "met".

`ordinalValue` is FHIR's own extension for scores of answers; what it has no word for is under our own names.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from agents.records import Rejection
from agents.records.base import json_document, list_of, text_of
from agents.rubric_formats.base import CriterionRow, RubricRow, Unusable
from agents.rubric_formats.own import criterion
from agents.rubrics import Verdict

ORDINAL = "http://hl7.org/fhir/StructureDefinition/ordinalValue"
CATEGORY = "http://hl7.org/fhir/StructureDefinition/questionnaire-displayCategory"
VERDICTS, AXIS, OURS = "urn:rounds:verdict", "urn:rounds:axis", "urn:rounds:rubric:"
OFFERED = (Verdict.MET, Verdict.NOT_MET, Verdict.CANNOT_TELL, Verdict.NOT_APPLICABLE)
FLAGS = ("evidence_required", "never", "per_turn")
BELOW = {
    "turn": ("Turn", "integer"),
    "evidence": ("Evidence", "text"),
    "evidence-turn": ("Turn of the evidence", "integer"),
    "reason": ("Reason", "text"),
}
"""What each answer to a criterion may carry: text and type of its item."""
WHOLE = {
    "first-wrong-turn": ("First wrong turn", "integer"),
    "correction": ("What would have been right", "string"),
    "harm": ("Severity of harm", "string"),
    "critique": ("Critique", "text"),
    "score": ("Score", "decimal"),
    "coverage": ("Coverage", "decimal"),
}
"""What is said about a consultation as a whole."""
STATUS = {"published": "active", "retired": "retired"}


def canonical(record: str) -> str:
    """The address by which a QuestionnaireResponse names it; with "|" and the version."""
    return f"{OURS}{record}"


def below(key: str, name: str) -> str:
    """The linkId of one of BELOW; no criterion's key has a slash."""
    return f"{key}/{name}"


def whole(name: str) -> str:
    """The linkId of one of WHOLE."""
    return f"whole/{name}"


def write_fhir(rubric: RubricRow, *, status: str = "draft") -> dict[str, Any]:
    """A Questionnaire; `status` is the version's own, or FHIR's."""
    about = {"case": rubric.case, "complaint-group": rubric.complaint_group}
    return {
        "resourceType": "Questionnaire",
        "url": canonical(rubric.record),
        "version": str(rubric.version),
        "title": rubric.title,
        "status": STATUS.get(status, "draft"),
        "subjectType": ["Encounter"],
        **({"purpose": rubric.guideline} if rubric.guideline else {}),
        **_extended([_text(name, value) for name, value in about.items() if value]),
        "item": [
            *(_item(row, n) for n, row in enumerate(rubric.criteria, 1)),
            *(_asked(whole(name), *asked) for name, asked in WHOLE.items()),
        ],
    }


def _item(row: CriterionRow, number: int) -> dict[str, Any]:
    flags = [{"url": OURS + name.replace("_", "-"), "valueBoolean": True} for name in FLAGS if getattr(row, name)]
    examples = [_text(f"example-{example['verdict'].replace('_', '-')}", example["text"]) for example in row.examples]
    key = row.key or f"c{number}"
    help_text = {"linkId": below(key, "help"), "text": row.guideline, "type": "display", "extension": [_INSTRUCTIONS]}
    return {
        **_extended([*flags, *examples]),
        "linkId": key,
        "code": [{"system": AXIS, "code": row.axis}],
        "text": row.text,
        "type": "choice",
        "required": True,
        "repeats": row.per_turn,
        "answerOption": [_option(verdict, row.points) for verdict in OFFERED],
        "item": [
            *([help_text] if row.guideline else []),
            *(_asked(below(key, name), *asked) for name, asked in BELOW.items()),
        ],
    }


def _asked(link: str, text: str, kind: str) -> dict[str, Any]:
    return {"linkId": link, "text": text, "type": kind}


def _option(verdict: Verdict, points: int) -> dict[str, Any]:
    coding: dict[str, Any] = {"system": VERDICTS, "code": str(verdict), "display": str(verdict).replace("_", " ")}
    if verdict is Verdict.MET:
        coding["extension"] = [{"url": ORDINAL, "valueDecimal": points}]
    return {"valueCoding": coding}


def read_fhir(path: Path) -> Iterator[RubricRow | Rejection]:
    """Every Questionnaire of a file: one resource, a list, or a Bundle of them."""
    document = json_document(path)
    if isinstance(document, dict) and document.get("resourceType") == "Bundle":
        document = [entry.get("resource") for entry in list_of(document.get("entry")) if isinstance(entry, dict)]
    for number, resource in enumerate(document if isinstance(document, list) else [document], 1):
        name = f"resource {number}"
        try:
            if not isinstance(resource, dict) or resource.get("resourceType") != "Questionnaire":
                raise Unusable("not a Questionnaire")
            name = text_of(resource.get("url")).removeprefix(OURS) or name
            yield _rubric(name, resource)
        except Unusable as problem:
            yield Rejection(name, str(problem))


def _rubric(name: str, resource: dict[str, Any]) -> RubricRow:
    about = {whole(name) for name in WHOLE}
    items = [item for item in _items(resource.get("item")) if item.get("linkId") not in about]
    rows = [_criterion(item, n) for n, item in enumerate(items, 1) if item.get("type") == "choice"]
    if not rows or not text_of(resource.get("title")):
        raise Unusable("no title, or no item to choose an answer in")
    version = text_of(resource.get("version"))
    ours = _ours(resource)
    left = sorted(
        {f"item.{item.get('type')}" for item in items if item.get("type") not in ("choice", "display", "group")}
    )
    return RubricRow(
        record=name,
        title=text_of(resource.get("title")),
        criteria=tuple(rows),
        case=str(ours.get("case", "")),
        complaint_group=str(ours.get("complaint-group", "")),
        guideline=text_of(resource.get("purpose")) or text_of(resource.get("description")),
        version=int(version) if version.isdecimal() and len(version) < 6 else 1,
        unmapped=tuple(left),
    )


def _items(given: Any, depth: int = 0) -> Iterator[dict[str, Any]]:
    """Groups opened, at most ten deep."""
    for item in list_of(given):
        if isinstance(item, dict):
            yield item
            if item.get("type") == "group" and depth < 10:
                yield from _items(item.get("item"), depth + 1)


def _criterion(item: dict[str, Any], number: int) -> CriterionRow:
    ours = _ours(item)
    axis = next(
        (c.get("code") for c in list_of(item.get("code")) if isinstance(c, dict) and c.get("system") == AXIS), None
    )
    fields: dict[str, Any] = {
        "text": item.get("text"),
        "key": item.get("linkId"),
        "points": _points(item),
        "axis": axis or "accuracy",
        "guideline": next((text_of(i.get("text")) for i in _items(item.get("item")) if i.get("type") == "display"), ""),
        "examples": [*_examples(item, "met"), *_examples(item, "not_met")],
        **{name: ours.get(name.replace("_", "-"), False) for name in FLAGS},
    }
    return criterion(fields, number)


def _points(item: dict[str, Any]) -> Any:
    """Of the answer "met", or else the largest score that any answer has."""
    scores: dict[str, Any] = {}
    for option in list_of(item.get("answerOption")):
        coding = option.get("valueCoding") if isinstance(option, dict) else None
        coding = coding if isinstance(coding, dict) else {}
        for extension in list_of(coding.get("extension")):
            if isinstance(extension, dict) and extension.get("url") == ORDINAL:
                scores[str(coding.get("code"))] = extension.get("valueDecimal")
    numbers = [score for score in scores.values() if isinstance(score, int | float)]
    return scores.get("met", max(numbers, key=abs, default=None))


def _ours(element: dict[str, Any]) -> dict[str, Any]:
    """Our extensions of an element by name."""
    found = {}
    for one in list_of(element.get("extension")):
        if isinstance(one, dict) and text_of(one.get("url")).startswith(OURS):
            found[one["url"].removeprefix(OURS)] = one.get("valueString", one.get("valueBoolean"))
    return found


def _examples(item: dict[str, Any], verdict: str) -> list[dict[str, str]]:
    url = f"{OURS}example-{verdict.replace('_', '-')}"
    texts = [
        text_of(e.get("valueString"))
        for e in list_of(item.get("extension"))
        if isinstance(e, dict) and e.get("url") == url
    ]
    return [{"text": text, "verdict": verdict} for text in texts]


def _text(name: str, value: str) -> dict[str, str]:
    return {"url": OURS + name, "valueString": value}


def _extended(extensions: list[dict[str, Any]]) -> dict[str, Any]:
    return {"extension": extensions} if extensions else {}


_INSTRUCTIONS: dict[str, Any] = {
    "url": CATEGORY,
    "valueCodeableConcept": {
        "coding": [{"system": "http://hl7.org/fhir/questionnaire-display-category", "code": "instructions"}]
    },
}
