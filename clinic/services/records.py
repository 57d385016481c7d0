"""Between a case's row and the record that parsers return and worlds replay."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from typing import Any, Literal, cast

from agents.types import CaseRecord, RecordedResult, Value
from clinic.models import Case

KEY_LENGTH, TITLE_LENGTH, LICENCE_LENGTH, ORIGIN_LENGTH = 160, 200, 120, 60
KNOWN_SEX = ("female", "male", "other", "unknown")


class Unfit(ValueError):
    """A record that the database cannot hold; `str()` is the reason."""


def case_record(case: Case) -> CaseRecord:
    """The case as environments replay it. `id` is the case's key; the answer never reaches a prompt."""
    return CaseRecord(
        id=case.key,
        origin=case.origin,
        age_years=case.age_years,
        sex=cast(Literal["female", "male", "other", "unknown"], case.sex if case.sex in KNOWN_SEX else "unknown"),
        complaint=case.complaint,
        history=dict(case.history),
        results=tuple(_result(entry) for entry in case.sheet),
        answer=case.answer,
        extra=dict(case.extra),
    )


def _result(entry: dict[str, Any]) -> RecordedResult:
    values = tuple(Value(**value) for value in entry.get("values", ()))
    return RecordedResult(entry["examination"], entry["text"], values, entry.get("order", 0))


def fields_of(record: CaseRecord) -> dict[str, Any]:
    """The columns of a case row, its content hash included; raises Unfit.

    `extra` may name the `title` (else the complaint serves) and the `licence`; the rest is kept as it is.
    """
    extra = dict(record.extra)
    fields = {
        "key": record.id,
        "origin": record.origin,
        "title": shortened(extra.pop("title", "") or record.complaint, TITLE_LENGTH),
        "licence": extra.pop("licence", ""),
        "age_years": record.age_years,
        "sex": record.sex,
        "complaint": record.complaint,
        "history": record.history,
        "sheet": [_entry(result) for result in record.results],
        "answer": record.answer,
        "extra": extra,
    }
    _check(fields)
    return {**fields, "content_hash": content_hash(fields)}


def _entry(result: RecordedResult) -> dict[str, Any]:
    values = [asdict(value) for value in result.values]
    return {"examination": result.examination, "text": result.text, "values": values, "order": result.order}


def content_hash(fields: dict[str, Any]) -> str:
    canonical = json.dumps(fields, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def shortened(text: str, length: int) -> str:
    """The text on one line, cut at a word where it is too long."""
    line = " ".join(text.split())
    if len(line) <= length:
        return line
    return line[: length - 2].rpartition(" ")[0] + " …"


def _check(fields: dict[str, Any]) -> None:
    limits = {"key": KEY_LENGTH, "licence": LICENCE_LENGTH, "origin": ORIGIN_LENGTH}
    for name, limit in limits.items():
        if len(fields[name]) > limit:
            raise Unfit(f"the {name} has more than {limit} characters")
    if not fields["key"] or not fields["complaint"].strip():
        raise Unfit("it has no id or no complaint")
    if fields["sex"] not in KNOWN_SEX:
        raise Unfit(f"the sex {fields['sex']!r} is not one of {', '.join(KNOWN_SEX)}")
    try:
        text = json.dumps(fields, ensure_ascii=False, allow_nan=False)
        text.encode()
    except (TypeError, ValueError) as error:  # UnicodeEncodeError (a lone surrogate) is a ValueError
        raise Unfit(f"it cannot be stored: {error}") from error
    if "\\u0000" in text:
        raise Unfit("it contains a NUL character")
