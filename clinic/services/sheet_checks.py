"""What a sheet must hold before it counts; each refusal names what is missing and where."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from agents.rubrics import Verdict
from clinic.models import Choice, Dimension, Harm, Preference, Rating, RubricCriterion
from clinic.services.errors import Refused
from clinic.sheet_form import VERDICTS, whole
from clinic.transcript import Spoken, quotes

SHOWN = 3
DECIDED = (Verdict.MET, Verdict.NOT_MET)
SENTENCES = {
    "missing": "Not judged yet: {names}. Everything else is kept; give each a verdict, then submit again.",
    "evidence": (
        "These verdicts need words of the transcript: {names}. Select them and take them as evidence; "
        "for “not met” a reason does as well. Everything is kept."
    ),
    "nowhere": (
        "These words do not stand in the turn that is named: {names}. Select them in the transcript again; "
        "everything else is kept."
    ),
    "unknown": "This sheet names something that its rubric does not have. Everything is kept; reload the page.",
    "wrong_turn": "The first wrong turn must be one of the agent’s. Everything is kept; choose it again.",
    "correction": "Say both what kind of correction it is and what would have been right. Everything is kept.",
    "no_turns": "There is nothing of the agent’s to judge in this consultation. Decline it with that reason.",
    "preferences": "Not decided yet: {names}. Everything else is kept; choose A, B or no difference.",
    "why": "Say why in at least one dimension in which one is better. Everything is kept.",
}


def checked_ratings(
    sheet: dict[str, Any], criteria: Sequence[RubricCriterion], turns: Sequence[Spoken]
) -> list[Rating]:
    """Unsaved rows in the rubric's order, complete and each quotation found; else Refused."""
    given = _given(sheet)
    places = [(criterion, turn) for criterion in criteria for turn in _places(criterion, turns)]
    if set(given) - {(criterion.key, turn) for criterion, turn in places}:
        raise Refused(SENTENCES["unknown"])
    rows = [_row(criterion, turn, given.get((criterion.key, turn), {})) for criterion, turn in places]
    _refuse("missing", [row for row in rows if not row.verdict])
    by_number = {turn.number: turn for turn in turns}
    quoted = [row for row in rows if row.evidence]
    _refuse("nowhere", [row for row in quoted if not _stands(row, by_number)])
    _refuse("evidence", [row for row in rows if _lacks_words(row)])
    return rows


def checked_rest(sheet: dict[str, Any], turns: Sequence[Spoken]) -> dict[str, Any]:
    """First wrong turn, correction, harm and critique as columns of the annotation."""
    wrong = sheet.get("first_wrong_turn")
    if wrong is not None and wrong not in {turn.number for turn in turns if turn.judged}:
        raise Refused(SENTENCES["wrong_turn"])
    correction = sheet.get("correction") or {"kind": "", "text": ""}
    if bool(correction["kind"]) != bool(correction["text"].strip()):
        raise Refused(SENTENCES["correction"])
    harm = str(sheet.get("harm") or "")
    return {
        "first_wrong_turn": wrong,
        "correction_kind": correction["kind"],
        "correction": correction["text"].strip()[:300],
        "harm": harm if harm in Harm.values else "",
        "critique": str(sheet.get("critique") or "").strip(),
    }


def checked_preferences(sheet: dict[str, Any]) -> list[Preference]:
    """Unsaved rows, one for each dimension, with a reason where one is better; else Refused."""
    given = {str(row.get("dimension")): row for row in sheet.get("preferences") or []}
    missing = [label for name, label in Dimension.choices if given.get(name, {}).get("choice") not in Choice.values]
    if missing:
        raise Refused(SENTENCES["preferences"].format(names=", ".join(missing)))
    rows = [
        Preference(dimension=name, choice=given[name]["choice"], why=str(given[name].get("why") or "").strip())
        for name in Dimension.values
    ]
    better = [row for row in rows if row.choice != Choice.SAME]
    if better and not any(row.why for row in better):
        raise Refused(SENTENCES["why"])
    return rows


def _given(sheet: dict[str, Any]) -> dict[tuple[str, int | None], dict[str, Any]]:
    return {(str(row.get("criterion")), whole(row.get("turn"))): row for row in sheet.get("ratings") or []}


def _places(criterion: RubricCriterion, turns: Sequence[Spoken]) -> list[int | None]:
    if not criterion.per_turn:
        return [None]
    judged: list[int | None] = [turn.number for turn in turns if turn.judged]
    if not judged:
        raise Refused(SENTENCES["no_turns"])
    return judged


def _row(criterion: RubricCriterion, turn: int | None, given: dict[str, Any]) -> Rating:
    verdict = str(given.get("verdict") or "")
    return Rating(
        criterion=criterion,
        turn=turn,
        verdict=verdict if verdict in VERDICTS else "",
        evidence=str(given.get("evidence") or "").strip(),
        evidence_turn=whole(given.get("evidence_turn")),
        reason=str(given.get("reason") or "").strip(),
    )


def _stands(row: Rating, turns: dict[int, Spoken]) -> bool:
    return row.evidence_turn in turns and quotes(row.evidence, turns[row.evidence_turn])


def _lacks_words(row: Rating) -> bool:
    if not row.criterion.evidence_required or row.verdict not in DECIDED or row.evidence:
        return False
    # What was never said cannot be quoted: then the reason stands for it.
    return row.verdict == Verdict.MET or not row.reason


def _refuse(why: str, rows: Sequence[Rating]) -> None:
    if rows:
        raise Refused(SENTENCES[why].format(names=_names(rows)))


def _names(rows: Sequence[Rating]) -> str:
    names = [f"“{_short(row.criterion.text)}”" + (f" at turn {row.turn}" if row.turn else "") for row in rows]
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


def _short(text: str) -> str:
    return text if len(text) <= 60 else text[:59].rstrip() + "…"
