"""The rows of a consultation as arrays beside it, so that the room is one query however many tables it shows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import F, JSONField, Model, OuterRef, Q, QuerySet
from django.db.models.functions import JSONObject

from clinic.models import (
    Commitment,
    Consultation,
    Feedback,
    Finding,
    Handover,
    LedgerEntry,
    Outcome,
    RedFlagAlert,
    SimulatedResult,
    TurnDrafts,
    User,
)

Row = TypeVar("Row", bound=Model)
MINE = Q(consultation=OuterRef("pk"))
NAMES = ("username", "first_name", "last_name")
TABLES: dict[str, tuple[type[Model], Q, tuple[str, ...]]] = {
    "findings": (Finding, Q(case=OuterRef("case")) & (MINE | Q(consultation=None)), ()),
    "simulated": (SimulatedResult, MINE, ()),
    "ledger": (LedgerEntry, MINE, ("decided_by",)),
    "alerts": (RedFlagAlert, MINE, ("acknowledged_by",)),
    "feedback": (Feedback, MINE, ("by",)),
    "outcomes": (Outcome, MINE, ("by",)),
    "handovers": (Handover, MINE, ("sender", "receiver")),
    "commitments": (Commitment, MINE, ("by",)),
    "drafts": (TurnDrafts, Q(turn__consultation=OuterRef("pk")), ()),
}
"""Name in the room: the table, which of its rows, and whose names come with each."""
PREFIX = "room_"


def array_of(model: type[Model], mine: Q, people: Sequence[str] = ()) -> ArraySubquery:
    """The rows of another table, for an annotation; `instances` makes them rows again."""
    own = {field.attname: F(field.attname) for field in model._meta.concrete_fields}
    names = {f"{who}:{part}": F(f"{who}__{part}") for who in people for part in NAMES}
    rows = model._default_manager.filter(mine).annotate(row_as_json=JSONObject(**own, **names))
    return ArraySubquery(rows.values("row_as_json"))


def instances(model: type[Row], found: Sequence[dict[str, Any]], people: Sequence[str] = ()) -> list[Row]:
    """Rows from what an `array_of` column holds, in its order, with their people's names."""
    return [_instance(model, data, people) for data in found]


def with_rows(consultations: QuerySet[Consultation]) -> QuerySet[Consultation]:
    """Consultations with all that their room shows but the turns."""
    arrays = {PREFIX + name: array_of(*table) for name, table in TABLES.items()}
    return consultations.select_related("case__patient", "clinician", "model_version", "endpoint", "site").annotate(
        **arrays
    )


def rows_of(consultation: Consultation, name: str) -> list[Any]:
    """The rows of one table of `TABLES`, in its order, as instances with their people's names."""
    model, _, people = TABLES[name]
    return instances(model, getattr(consultation, PREFIX + name), people)


def _instance(model: type[Row], data: dict[str, Any], people: Sequence[str]) -> Row:
    fields = {field.attname: field for field in model._meta.concrete_fields}
    values = [_value(fields[name], data[name]) for name in fields]
    row = model.from_db("default", list(fields), values)
    for who in people:
        if data[f"{who}_id"] is not None:
            setattr(row, who, User(pk=data[f"{who}_id"], **{part: data[f"{who}:{part}"] for part in NAMES}))
    return row


def _value(field: Any, value: Any) -> Any:
    """JSON knows no dates and no UUIDs; a JSON field's content is already what it is."""
    return value if isinstance(field, JSONField) else field.to_python(value)
