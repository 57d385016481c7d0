"""The demo cases, written for the product: YAML files and their checked loader."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator

from agents.types import CaseRecord, RecordedResult, Value

FOLDER = Path(__file__).parent / "cases"
ORIGIN = "demo"
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
SECTIONS = ("hpi", "past", "drugs", "allergies", "family", "social", "review")

_TEXT = {"type": "string", "minLength": 1}
_NUMBER_OR_NONE = {"type": ["number", "null"]}
_VALUE = {
    "type": "object",
    "properties": {
        "code": {"type": "string", "pattern": r"^(\d{1,6}-\d)?$"},
        "name": _TEXT,
        "value": {"type": "number"},
        "unit": {"type": "string"},
        "low": _NUMBER_OR_NONE,
        "high": _NUMBER_OR_NONE,
    },
    "required": ["code", "name", "value", "unit"],
    "additionalProperties": False,
}
_RESULT = {
    "type": "object",
    "properties": {"examination": _TEXT, "text": _TEXT, "values": {"type": "array", "items": _VALUE}},
    "required": ["examination", "text"],
    "additionalProperties": False,
}
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "key": {"type": "string", "pattern": r"^demo:[a-z0-9-]+$"},
        "title": {"type": "string", "minLength": 1, "maxLength": 200},
        "age_years": {"type": "number", "minimum": 0, "maximum": 120},
        "sex": {"enum": ["female", "male", "other", "unknown"]},
        "complaint": _TEXT,
        "history": {
            "type": "object",
            "properties": dict.fromkeys(SECTIONS, _TEXT),
            "required": ["hpi"],
            "additionalProperties": False,
        },
        "answer": _TEXT,
        "aliases": {"type": "array", "items": _TEXT},
        "group": _TEXT,
        "in_scope": {"type": "boolean"},
        "results": {"type": "array", "items": _RESULT, "minItems": 1},
    },
    "required": ["key", "title", "age_years", "sex", "complaint", "history", "answer", "group", "in_scope", "results"],
    "additionalProperties": False,
}


class BadDemoCase(ValueError):
    """A file does not follow the format; `str()` names the file, the place and the reason."""


def load_cases(folder: Path = FOLDER) -> list[CaseRecord]:
    """Every demo case, in the order of file names."""
    return [load_case(path) for path in sorted(folder.glob("*.yaml"))]


def load_case(path: Path) -> CaseRecord:
    try:
        data = yaml.load(path.read_text("utf-8"), Loader=LOADER)  # noqa: S506 (a safe loader)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise BadDemoCase(f"{path.name}: {error}") from error
    wrong = next(iter(Draft202012Validator(SCHEMA).iter_errors(data)), None)
    if wrong is not None:
        raise BadDemoCase(f"{path.name}: {wrong.json_path}: {wrong.message}")
    return _record(data)


def _record(data: dict[str, Any]) -> CaseRecord:
    return CaseRecord(
        id=data["key"],
        origin=ORIGIN,
        age_years=float(data["age_years"]),
        sex=data["sex"],
        complaint=data["complaint"].strip(),
        history={section: text.strip() for section, text in data["history"].items()},
        results=tuple(_result(entry, order) for order, entry in enumerate(data["results"])),
        answer=data["answer"],
        extra={
            "title": data["title"],
            "aliases": data.get("aliases", []),
            "group": data["group"],
            "in_scope": data["in_scope"],
        },
    )


def _result(entry: dict[str, Any], order: int) -> RecordedResult:
    values = tuple(_value(value) for value in entry.get("values", ()))
    return RecordedResult(entry["examination"], entry["text"].strip(), values, order)


def _value(value: dict[str, Any]) -> Value:
    number, low, high = float(value["value"]), value.get("low"), value.get("high")
    flag = "L" if low is not None and number < low else "H" if high is not None and number > high else ""
    return Value(value["code"], number, value["unit"], flag, value["name"], low, high)
