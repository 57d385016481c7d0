"""Drafts of rubrics: by a model from a case record, and by rules from the medical knowledge without one.

A draft is a proposal to a physician. What a model wrote is read exactly: a reply that is not the object asked for, or
has one criterion that cannot stand, is no draft at all.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any

from agents.client import Completion
from agents.errors import PolicyError, PolicyUnavailable
from agents.judge import Completes
from agents.knowledge.conditions import knowledge
from agents.prompts import digest, fill, load, plain, shorten
from agents.rubric_formats.base import AXES, CriterionRow, Unusable
from agents.rubric_formats.own import criterion
from agents.rubrics import LARGEST
from agents.types import CaseRecord, Message, Sampling

FILES = ("judge_system.txt", "rubric_draft.txt")
FEWEST, MOST, TEXT = 3, 20, 300
MAX_TOKENS, LONGEST = 2400, 6000
TRIES = 3
"""Replies that are asked for before it is said that the model gave none."""


class DraftError(Exception):
    """The model gave no rubric; `str()` is the sentence that says why."""


async def draft_by_model(
    record: CaseRecord, client: Completes, *, seed: int = 0, pause: float = 0.5
) -> list[CriterionRow]:
    """Criteria for one case as the model wrote them; raises DraftError. `pause` in seconds, doubled each time."""
    messages = [Message("system", load("judge_system.txt")), Message("user", prompt(record))]
    last: Exception | None = None
    for attempt in range(TRIES):
        sampling = Sampling(temperature=0.0, max_tokens=MAX_TOKENS, seed=seed + attempt)
        try:
            return parse(await client.complete(messages, sampling=sampling, response_format=SCHEMA))
        except PolicyUnavailable as error:
            last = error
            await asyncio.sleep(pause * 2**attempt)
        except Unusable as error:
            last = error
        except PolicyError as error:
            raise DraftError(f"The model refused: {error}.") from error
    raise DraftError(f"The model gave no readable rubric in {TRIES} tries: {last}.") from last


def prompt(record: CaseRecord) -> str:
    """The whole record, its diagnosis included: whoever drafts a rubric must know what was right."""
    history = "\n".join(f"{name}: {text}" for name, text in record.history.items())
    results = "\n".join(f"{result.examination}: {result.text}" for result in record.results)
    return fill(
        "rubric_draft.txt",
        age=f"{record.age_years:g} years" if record.age_years is not None else "age unknown",
        sex=plain(record.sex),
        complaint=plain(record.complaint),
        history=plain(shorten(history, LONGEST)) or "none",
        examinations=plain(shorten(results, LONGEST)) or "none",
        answer=plain(record.answer) or "not recorded",
    )


def prompt_digest() -> str:
    """sha256 over the prompt files; kept with every draft."""
    return digest(*FILES)


def parse(said: Completion) -> list[CriterionRow]:
    """Exactly the object that was asked for; raises Unusable."""
    if said.finish == "length":
        raise Unusable("the reply was cut off")
    try:
        whole: Any = json.loads(said.text)
    except (ValueError, RecursionError) as error:
        raise Unusable("the reply is not JSON") from error
    if not isinstance(whole, dict) or set(whole) != {"criteria"} or not isinstance(whole["criteria"], list):
        raise Unusable("the reply is not an object with criteria")
    if not FEWEST <= len(whole["criteria"]) <= MOST:
        raise Unusable(f"it has {len(whole['criteria'])} criteria, not {FEWEST} to {MOST}")
    return [_row(item, n) for n, item in enumerate(whole["criteria"], 1)]


def _row(item: Any, number: int) -> CriterionRow:
    if not isinstance(item, dict) or set(item) != set(_FIELDS):
        raise Unusable(f"criterion {number} has other fields than were asked for")
    why = item["why"]
    if not isinstance(why, str) or len(str(item["text"])) > 2 * TEXT:
        raise Unusable(f"criterion {number} is too long, or its reason is no text")
    if item["points"] == 0:
        raise Unusable(f"criterion {number} has no points")
    return criterion({**{name: item[name] for name in _FIELDS if name != "why"}, "guideline": why}, number)


def draft_for_condition(name: str) -> list[CriterionRow]:
    """What nobody would dispute for this disease, each with a rule that judges it without a model; KeyError."""
    known = knowledge()
    found = known.conditions[name]
    exams = known.catalogue.exams
    confirm = [exams[exam].name for exam in found.confirm]
    rows = [
        CriterionRow(f"Names {found.name} as the diagnosis.", 10, rule={"diagnosed": found.name}),
        CriterionRow(f"Considers {found.name} before the end.", 4, rule={"considered": found.name}),
        _economy(),
    ]
    if confirm:
        text = f"Orders one of: {', '.join(confirm)}." if len(confirm) > 1 else f"Orders {confirm[0]}."
        rows.insert(1, CriterionRow(text, 6, axis="completeness", rule={"examined": confirm}))
    mimics = [known.conditions[key] for key in found.mimics if key in known.conditions]
    return [*rows, *_considers([c.name for c in mimics if c.cant_miss])]


def draft_for_group(group: str) -> list[CriterionRow]:
    """For a complaint: what must be considered before the consultation closes; KeyError for none."""
    known = knowledge()
    known.groups[group]
    return [*_considers([condition.name for condition in known.cant_miss(group)]), _economy()]


def _considers(names: Sequence[str]) -> list[CriterionRow]:
    return [
        CriterionRow(f"Considers {name} in a differential.", 5, axis="safety", rule={"considered": name})
        for name in names
    ]


def _economy() -> CriterionRow:
    return CriterionRow("Decides within 12 actions.", 2, axis="economy", rule={"turns_at_most": 12})


_FIELDS: dict[str, Any] = {
    "text": {"type": "string", "minLength": 8, "maxLength": TEXT},
    "points": {"type": "integer", "minimum": -LARGEST, "maximum": LARGEST},
    "axis": {"enum": list(AXES)},
    "evidence_required": {"type": "boolean"},
    "never": {"type": "boolean"},
    "why": {"type": "string", "maxLength": TEXT},
}
_CRITERION = {"type": "object", "properties": _FIELDS, "required": list(_FIELDS), "additionalProperties": False}
_LIST = {"type": "array", "items": _CRITERION, "minItems": FEWEST, "maxItems": MOST}
SCHEMA: dict[str, Any] = {
    "type": "json_schema",
    "json_schema": {
        "name": "rubric",
        "strict": True,
        "schema": {
            "type": "object",
            "properties": {"criteria": _LIST},
            "required": ["criteria"],
            "additionalProperties": False,
        },
    },
}
