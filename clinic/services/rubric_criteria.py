"""The criteria of a version that is being made: added, reworded, removed, kept or dropped, merged and weighed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from django.db import transaction
from django.db.models import Max
from django.utils.text import slugify

from agents.rubrics import LARGEST
from clinic.models import Axis, RubricCriterion, RubricVersion, User
from clinic.rubric_access import Access
from clinic.services import audit
from clinic.services.errors import Refused
from clinic.services.rubric_words import SENTENCES
from clinic.services.rubrics import lock

LONGEST, MOST = 8000, 80
KEY = 40
VERDICTS = ("met", "not_met")


@transaction.atomic
def add(*, version: RubricVersion, by: User, fields: Mapping[str, Any]) -> RubricCriterion:
    """A criterion at the end of the list, with a key of its own."""
    access = _access(version, by)
    if not access.may_write:
        raise Refused(SENTENCES[_refusal(access)])
    version = access.version
    if version.criteria.count() >= MOST:
        raise Refused(SENTENCES["too_many"].format(most=MOST))
    clean = cleaned(fields, weighs=access.may_weigh)
    last = version.criteria.aggregate(last=Max("position"))["last"]
    row = RubricCriterion.objects.create(
        version=version,
        key=free_key(clean["text"], version.criteria.values_list("key", flat=True)),
        position=0 if last is None else last + 1,
        by=by,
        **clean,
    )
    _record(access, "rubric.criterion_added", row)
    return row


@transaction.atomic
def change(*, criterion: RubricCriterion, by: User, fields: Mapping[str, Any]) -> RubricCriterion:
    """Reword it; the key stays, so that versions can be compared. The weigher changes points and veto alone."""
    access, row = _editable(criterion, by)
    given = {**_fields_of(row), **fields}
    if access.may_write and str(given["text"]).strip() != row.text and "rule" not in fields:
        # A rule judges the old statement; kept, it would give the new one a verdict on something else.
        given["rule"] = None
    if not access.may_write:
        given = {**_fields_of(row), **{name: fields[name] for name in ("points", "never") if name in fields}}
    clean = cleaned(given, weighs=access.may_weigh)
    if not access.may_weigh:
        # What a weigher gave before, here or in the version this one was copied from, is not the author's to change.
        clean = {name: value for name, value in clean.items() if name not in ("points", "never")}
    for name, value in clean.items():
        setattr(row, name, value)
    row.save(update_fields=list(clean))
    _record(access, "rubric.criterion_changed", row)
    return row


@transaction.atomic
def remove(*, criterion: RubricCriterion, by: User) -> None:
    """Out of the draft for good; a reviewer drops instead, which keeps what was written."""
    access, row = _editable(criterion, by)
    if not access.may_write:
        raise Refused(SENTENCES["not_yours"])
    _record(access, "rubric.criterion_removed", row)
    row.delete()


@transaction.atomic
def keep(*, criterion: RubricCriterion, by: User, kept: bool) -> None:
    """The reviewer's decision over one criterion; a dropped one judges nothing and stays to be read."""
    access, row = _editable(criterion, by)
    if not access.may_review:
        raise Refused(SENTENCES["not_your_turn"])
    row.kept = kept
    row.save(update_fields=["kept"])
    _record(access, "rubric.criterion_kept" if kept else "rubric.criterion_dropped", row)


@transaction.atomic
def merge(*, criterion: RubricCriterion, other: RubricCriterion, by: User, text: str = "") -> RubricCriterion:
    """Two criteria become the first, under `text` where that is given; the other is dropped."""
    access, row = _editable(criterion, by)
    if not access.may_review:
        raise Refused(SENTENCES["not_your_turn"])
    second = access.editable().filter(pk=other.pk).exclude(pk=row.pk).first()
    if second is None:
        raise Refused(SENTENCES["merge_two"])
    clean = cleaned({**_fields_of(row), "text": text or row.text}, weighs=access.may_weigh)
    row.rule = row.rule if clean["text"] == row.text else None
    row.text, row.kept, second.kept = clean["text"], True, False
    row.examples = [*row.examples, *(one for one in second.examples if one not in row.examples)]
    row.guideline = "\n".join(filter(None, dict.fromkeys([row.guideline, second.guideline])))
    row.save(update_fields=["text", "kept", "examples", "guideline", "rule"])
    second.save(update_fields=["kept"])
    _record(access, "rubric.criteria_merged", row, {"other": second.key})
    return row


@transaction.atomic
def move(*, criterion: RubricCriterion, by: User, up: bool) -> None:
    """One place up or down; positions are counted anew."""
    access, row = _editable(criterion, by)
    rows = list(access.version.criteria.all())
    at = next(n for n, one in enumerate(rows) if one.pk == row.pk)
    to = max(0, at - 1) if up else min(len(rows) - 1, at + 1)
    rows.insert(to, rows.pop(at))
    for n, one in enumerate(rows):
        one.position = n
    RubricCriterion.objects.bulk_update(rows, ["position"])


def cleaned(fields: Mapping[str, Any], *, weighs: bool) -> dict[str, Any]:
    """Columns of a criterion, checked; without `weighs` it has no points and no veto. Raises Refused."""
    text = _text(fields.get("text"))
    if not text:
        raise Refused(SENTENCES["no_text"])
    if len(text) > LONGEST:
        raise Refused(SENTENCES["long_text"].format(most=LONGEST))
    points, never = (_points(fields.get("points", 0)), bool(fields.get("never"))) if weighs else (0, False)
    if never and points >= 0:
        raise Refused(SENTENCES["never_points"])
    axis = fields.get("axis", Axis.ACCURACY)
    if axis not in Axis.values:
        raise Refused(SENTENCES["axis"])
    return {
        "text": text,
        "points": points,
        "never": never,
        "axis": axis,
        "evidence_required": bool(fields.get("evidence_required")),
        "per_turn": bool(fields.get("per_turn")),
        "guideline": _text(fields.get("guideline"))[:LONGEST],
        "examples": _examples(fields.get("examples") or []),
        "rule": fields.get("rule") or None,
    }


def free_key(text: str, taken: Iterable[str]) -> str:
    """A short name made of the words, unlike those there are."""
    used = set(taken)
    base = slugify(text)[: KEY - 4].strip("-") or "criterion"
    names = [base, *(f"{base}-{n}" for n in range(2, MOST + 2))]
    return next(name for name in names if name not in used)


def _text(given: Any) -> str:
    """Without NUL characters, which the database refuses."""
    return str(given or "").replace("\0", "").strip()


def _points(given: Any) -> int:
    try:
        points = int(str(given).strip() or 0)
    except ValueError as error:
        raise Refused(SENTENCES["points"]) from error
    if not -LARGEST <= points <= LARGEST:
        raise Refused(SENTENCES["points"])
    return points


def _examples(given: Any) -> list[dict[str, str]]:
    rows = [(_text(one.get("text")), str(one.get("verdict", ""))) for one in given]
    rows = [row for row in rows if row[0]]
    if any(verdict not in VERDICTS for _, verdict in rows):
        raise Refused(SENTENCES["examples"])
    return [{"text": text[:LONGEST], "verdict": verdict} for text, verdict in rows]


def _fields_of(row: RubricCriterion) -> dict[str, Any]:
    names = ("text", "points", "never", "axis", "evidence_required", "per_turn", "guideline", "examples", "rule")
    return {name: getattr(row, name) for name in names}


def _access(version: RubricVersion, by: User) -> Access:
    return Access(lock(version), by)


def _editable(criterion: RubricCriterion, by: User) -> tuple[Access, RubricCriterion]:
    access = _access(criterion.version, by)
    row = access.editable().filter(pk=criterion.pk).first()
    if row is None:
        raise Refused(SENTENCES[_refusal(access)])
    return access, row


def _refusal(access: Access) -> str:
    if not access.version.is_open:
        return "stands"
    return "not_your_turn" if access.is_panel else "not_yours"


def _record(access: Access, action: str, row: RubricCriterion, data: dict[str, Any] | None = None) -> None:
    version = access.version
    facts = {"number": version.number, "criterion": row.key, **(data or {})}
    audit.record(
        by=access.user, action=action, noun="rubric_version", target=version.pk, data=facts, site=version.rubric.site
    )
