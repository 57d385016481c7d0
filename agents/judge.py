"""Judges: a capable model, and rules that need none. A judge that cannot answer raises JudgeError: never a zero.

Every reply is read exactly: one of the verdicts offered and nothing else ("Incorrect" is not "correct"). What cannot
be read is asked again a few times, with a pause where the server is not answering.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, TypeVar

from agents import examinations, prompts
from agents.client import Completion
from agents.errors import PolicyError, PolicyUnavailable
from agents.matching.diagnoses import match_diagnosis
from agents.prompts import fill, load, plain
from agents.rubrics import Criterion, Rating, Verdict
from agents.types import Action, ActionKind, Episode, Message, Sampling

Read = TypeVar("Read")
FILES = ("judge_system.txt", "judge_diagnosis.txt", "judge_examinations.txt", "judge_criterion.txt")
RATED = [str(v) for v in Verdict if v is not Verdict.ERROR]
MAX_TOKENS = 300


class JudgeError(Exception):
    """The judge gave no readable verdict; the item is unscored."""


class Unreadable(ValueError):
    """One reply is not one of the verdicts offered."""


@dataclass(frozen=True, slots=True)
class SureRating(Rating):
    """A rating of a judge that says how sure it is: `confidence` 0..1, None where it did not say."""

    confidence: float | None = None


class Completes(Protocol):
    """What a judge asks: agents.client.PolicyClient, or a double of it."""

    async def complete(
        self, messages: Sequence[Message], *, sampling: Sampling, response_format: dict[str, Any] | None = None
    ) -> Completion: ...


class LanguageJudge:
    """A model behind an OpenAI-compatible server; `tries` per item, `pause` seconds before the next, doubled."""

    def __init__(
        self, client: Completes, *, model: str = "", tries: int = 3, pause: float = 0.5, seed: int = 0
    ) -> None:
        self.client, self.model, self.tries, self.pause = client, model, tries, pause
        self.sampling = Sampling(temperature=0.0, max_tokens=MAX_TOKENS, seed=seed)

    @property
    def digest(self) -> str:
        """sha256 over its prompts; part of every reported number."""
        return prompts.digest(*FILES)

    @property
    def identity(self) -> dict[str, str]:
        """Who judges: stored with every evaluation, and what must be the same when one goes on."""
        return {"kind": "language", "model": self.model, "prompt": self.digest}

    async def same_diagnosis(self, predicted: str, reference: str) -> bool:
        """Whether the two name the same disease; raises JudgeError."""
        prompt = fill("judge_diagnosis.txt", predicted=plain(predicted), reference=plain(reference))
        verdicts = ("same", "different")
        return await self._ask(prompt, _object({"verdict": verdicts}), lambda said: verdict(said, verdicts)) == "same"

    async def examination_pairs(self, asked: Sequence[str], reference: Sequence[str]) -> list[tuple[str, str]]:
        """Related pairs of two lists, each within its list; raises JudgeError. Empty lists are not asked about."""
        if not asked or not reference:
            return []
        prompt = fill("judge_examinations.txt", asked=_numbered(asked), reference=_numbered(reference))
        pairs = await self._ask(prompt, _PAIRS, lambda said: pair_numbers(said, len(asked), len(reference)))
        return [(asked[a - 1], reference[r - 1]) for a, r in pairs]

    async def rate(self, episode: Episode, criterion: Criterion) -> Rating:
        """One criterion; a failure is the verdict "error". A quotation that is nowhere is no evidence."""
        transcript = episode_text(episode)
        prompt = fill("judge_criterion.txt", transcript=transcript, criterion=plain(criterion.text))
        try:
            said = await self._ask(
                prompt, _object({"verdict": RATED}, ("evidence", "reason"), ("confidence",)), _rating
            )
        except JudgeError as error:
            return Rating(criterion.id, Verdict.ERROR, reason=str(error))
        return grounded(criterion, said, episode)

    async def _ask(self, prompt: str, schema: dict[str, Any], read: Callable[[str], Read]) -> Read:
        messages = [Message("system", load("judge_system.txt")), Message("user", prompt)]
        last: Exception | None = None
        for attempt in range(self.tries):
            try:
                said = await self.client.complete(messages, sampling=self.sampling, response_format=schema)
                return read(said.text)
            except PolicyUnavailable as error:
                last = error
                await asyncio.sleep(self.pause * 2**attempt)
            except Unreadable as error:
                last = error
            except PolicyError as error:
                raise JudgeError(f"the judge refused: {error}") from error
        raise JudgeError(f"the judge gave no verdict in {self.tries} tries: {last}") from last


def verdict(text: str, offered: Sequence[str]) -> str:
    """Exactly one of the verdicts offered: {"verdict": "…"} or the bare word; raises Unreadable."""
    said: Any = _plain_json(text)
    if isinstance(said, dict):
        said = said.get("verdict")
    if not isinstance(said, str):
        raise Unreadable(f"no verdict in {text[:80]!r}")
    word = re.sub(r"[\s\-]+", "_", said.strip().strip("*\"'`.").strip().lower())
    if word not in offered:
        raise Unreadable(f"{text[:80]!r} is none of {', '.join(offered)}")
    return word


def pair_numbers(text: str, asked: int, reference: int) -> list[tuple[int, int]]:
    """Distinct pairs of 1-based numbers; raises Unreadable where a number is outside its list."""
    said = _plain_json(text)
    pairs = said.get("pairs") if isinstance(said, dict) else None
    if not isinstance(pairs, list):
        raise Unreadable(f"no pairs in {text[:80]!r}")
    found: list[tuple[int, int]] = []
    for pair in pairs:
        if not (isinstance(pair, list) and len(pair) == 2 and all(type(n) is int for n in pair)):
            raise Unreadable(f"{pair!r} is not a pair of numbers")
        if not (1 <= pair[0] <= asked and 1 <= pair[1] <= reference):
            raise Unreadable(f"{pair!r} is outside the lists")
        found.append((pair[0], pair[1]))
    return list(dict.fromkeys(found))


def grounded(criterion: Criterion, said: Mapping[str, Any], episode: Episode) -> SureRating:
    """The rating, its quotation found in a turn; where evidence is required, "met" without it is "cannot tell"."""
    turn = _quoted_in(said["evidence"], episode)
    evidence = said["evidence"] if turn is not None else ""
    outcome = Verdict(said["verdict"])
    if outcome is Verdict.MET and criterion.evidence_required and turn is None:
        return SureRating(criterion.id, Verdict.CANNOT_TELL, reason="the quoted words are not in the consultation")
    return SureRating(criterion.id, outcome, evidence, turn, said["reason"], said.get("confidence"))


class RuleJudge:
    """Rates criteria that carry a rule; any other is "cannot tell". The default where no model judges.

    Rules, one key each: examined (any of these names), not_examined, examined_before [first, second],
    diagnosed (a name), considered (a name in any differential), deferred (bool), turns_at_most (number).
    """

    identity: ClassVar[dict[str, str]] = {"kind": "rules"}

    @staticmethod
    def kinds() -> tuple[str, ...]:
        """The rules there are, by name."""
        return tuple(_RULES)

    async def rate(self, episode: Episode, criterion: Criterion) -> Rating:
        """Never an error for want of a model; ValueError for a rule that does not exist."""
        if not criterion.rule:
            return Rating(criterion.id, Verdict.CANNOT_TELL, reason="no rule: a physician or a model must judge")
        (kind, value), *more = criterion.rule.items()
        if more or kind not in _RULES:
            raise ValueError(f"criterion {criterion.id}: a rule is one of {', '.join(_RULES)}")
        met, turn = _RULES[kind](episode, value)
        evidence = _words(episode, turn) if turn is not None else ""
        return Rating(criterion.id, Verdict.MET if met else Verdict.NOT_MET, evidence, turn, f"rule: {kind}")


class RulesFirst:
    """A rule is exact and free, so it rates what it can; the model rates the criteria that have none."""

    def __init__(self, model: LanguageJudge) -> None:
        self.model, self.rules = model, RuleJudge()

    @property
    def identity(self) -> dict[str, str]:
        return self.model.identity

    async def rate(self, episode: Episode, criterion: Criterion) -> Rating:
        """As RuleJudge for a criterion with a rule, else as LanguageJudge: a failure is the verdict "error"."""
        judge = self.rules if criterion.rule else self.model
        return await judge.rate(episode, criterion)


def actions(episode: Episode) -> list[tuple[int, Action]]:
    """(turn number, action) of each well-formed agent turn."""
    return [(turn.n, turn.action) for turn in episode.turns if turn.role == "agent" and turn.action]


def episode_text(episode: Episode) -> str:
    """The consultation as a judge reads it: every turn with its number, text safe in a chat message."""
    lines = [f"Turn {turn.n}, {turn.role}: {plain(turn.text)}" for turn in episode.turns]
    return "\n".join([*lines, f"End: {episode.end}"])


def _examined(episode: Episode, names: Any) -> tuple[bool, int | None]:
    wanted = [names] if isinstance(names, str) else names
    for n, action in actions(episode):
        if action.kind is ActionKind.EXAMINE and any(examinations.same(action.target, name) for name in wanted):
            return True, n
    return False, None


def _not_examined(episode: Episode, names: Any) -> tuple[bool, int | None]:
    done, turn = _examined(episode, names)
    return not done, turn


def _examined_before(episode: Episode, names: Any) -> tuple[bool, int | None]:
    first, second = (_examined(episode, name)[1] for name in names)
    return first is not None and (second is None or first < second), first


def _diagnosed(episode: Episode, name: Any) -> tuple[bool, int | None]:
    last = episode.turns[-1].n if episode.turns else None
    return match_diagnosis(episode.diagnosis, name).correct is True, last if episode.diagnosis else None


def _considered(episode: Episode, name: Any) -> tuple[bool, int | None]:
    for n, action in actions(episode):
        if any(match_diagnosis(h.diagnosis, name).correct for h in action.differential):
            return True, n
    return False, None


def _deferred(episode: Episode, wanted: Any) -> tuple[bool, int | None]:
    turn = next((n for n, action in actions(episode) if action.kind is ActionKind.DEFER), None)
    return (turn is not None) is bool(wanted), turn


def _turns_at_most(episode: Episode, most: Any) -> tuple[bool, int | None]:
    return episode.agent_turns <= most, None


_RULES: dict[str, Callable[[Episode, Any], tuple[bool, int | None]]] = {
    "examined": _examined,
    "not_examined": _not_examined,
    "examined_before": _examined_before,
    "diagnosed": _diagnosed,
    "considered": _considered,
    "deferred": _deferred,
    "turns_at_most": _turns_at_most,
}


def _rating(text: str) -> dict[str, Any]:
    said = _plain_json(text)
    if not isinstance(said, dict):
        raise Unreadable(f"no JSON object in {text[:80]!r}")
    fields = {name: said.get(name) or "" for name in ("evidence", "reason")}
    if not all(isinstance(field, str) for field in fields.values()):
        raise Unreadable("evidence and reason must be texts")
    return {"verdict": verdict(text, RATED), **fields, "confidence": _share(said.get("confidence"))}


def _share(percent: Any) -> float | None:
    """0 to 100 as 0..1; anything else is no statement, and no reason to ask again."""
    is_number = isinstance(percent, int | float) and not isinstance(percent, bool)
    return percent / 100 if is_number and 0 <= percent <= 100 else None


def _plain_json(text: str) -> Any:
    """The JSON value of a reply, a code fence around it allowed; the text itself where it is none."""
    bare = re.sub(r"^\s*```\w*\s*|\s*```\s*$", "", text).strip()
    try:
        return json.loads(bare)
    except (ValueError, RecursionError):
        return bare


def _quoted_in(quote: str, episode: Episode) -> int | None:
    words = _squeezed(quote)
    return next((turn.n for turn in episode.turns if words and words in _squeezed(turn.text)), None)


def _squeezed(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.lower()))


def _words(episode: Episode, turn: int) -> str:
    return next((t.text for t in episode.turns if t.n == turn), "")


def _numbered(items: Sequence[str]) -> str:
    return "\n".join(f"{n}. {plain(item)}" for n, item in enumerate(items, 1))


def _object(
    enums: Mapping[str, Sequence[str]], texts: Sequence[str] = (), percents: Sequence[str] = ()
) -> dict[str, Any]:
    fields: dict[str, Any] = {name: {"enum": list(values)} for name, values in enums.items()}
    fields |= {name: {"type": "string", "maxLength": 300} for name in texts}
    fields |= {name: {"type": "integer", "minimum": 0, "maximum": 100} for name in percents}
    schema = {"type": "object", "properties": fields, "required": list(fields), "additionalProperties": False}
    return {"type": "json_schema", "json_schema": {"name": "verdict", "strict": True, "schema": schema}}


_NUMBERS = {"type": "array", "items": {"type": "integer"}, "minItems": 2, "maxItems": 2}
_PAIRS: dict[str, Any] = {
    "type": "json_schema",
    "json_schema": {
        "name": "pairs",
        "strict": True,
        "schema": {
            "type": "object",
            "properties": {"pairs": {"type": "array", "items": _NUMBERS}},
            "required": ["pairs"],
            "additionalProperties": False,
        },
    },
}
