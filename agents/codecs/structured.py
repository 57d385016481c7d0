"""Our wire form: one JSON object per turn, its shape enforced by the server's grammar.

`{"action": …, "target": …, "reason": …, "differential": [{"dx": …, "p": percent, "g": group}]}`. Evidence for and
against is not on the wire: the application derives it from the case's findings. Lengths bound the writer (the
schema); the reader accepts more, so that a server without grammars can serve too.

What the reader decides: fields in this order and no others, each once; probabilities that sum to more than 1 are
scaled to 1 (no grammar can bound a sum); a diagnosis named twice counts once, as first given; everything else that
deviates is MalformedAction.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from copy import deepcopy
from functools import cache
from typing import Any, NoReturn

from agents import prompts
from agents.codecs.json_stream import JsonActionStream
from agents.codecs.presentation import INQUIRY_CHARS, one_line, person, results, sections
from agents.prompts import fill, load, plain, shorten
from agents.types import (
    Action,
    ActionKind,
    Exchange,
    Hypothesis,
    HypothesisGroup,
    Inquiry,
    MalformedAction,
    Message,
    Observation,
)

FILES = (
    "structured_system.txt",
    "structured_inquiry.txt",
    "structured_reply.txt",
    "structured_repair.txt",
    "action.schema.json",
)
LENGTHS = {"target": 70, "reason": 120, "dx": 40}
"""Characters the schema allows. xgrammar (vLLM 0.32) cannot compile a pattern repeated 128 times or more."""
HYPOTHESES = 3
READER_CHARS = 1000
READER_HYPOTHESES = 10
FIELDS = ("action", "target", "reason", "differential")
_FORBIDDEN = re.compile(r"[\"\\\x00-\x1f<>{}|\ud800-\udfff]")
_UNSTORABLE = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")


class StructuredCodec:
    """Codec of our JSON action; one instance serves any number of consultations."""

    name = "structured"
    max_tokens = 320
    """Enough for the longest action the schema allows in ordinary words; use it in Sampling."""

    @property
    def digest(self) -> str:
        return prompts.digest(*FILES)

    def messages(self, inquiry: Inquiry, exchanges: Sequence[Exchange], *, force_final: bool = False) -> list[Message]:
        """System, inquiry, then one assistant and one user message per exchange.

        `force_final` changes nothing here: the response format alone forbids to ask or examine, so that the prompt
        stays a token prefix of the next.
        """
        said = [Message("system", load(FILES[0])), Message("user", _inquiry(inquiry))]
        for exchange in exchanges:
            said += [Message("assistant", exchange.said), Message("user", exchange.reply)]
        return said

    def response_format(self, *, force_final: bool = False) -> dict[str, Any]:
        return _response_format(force_final)

    def reply(self, observations: Sequence[Observation], *, note: str = "") -> str:
        return fill("structured_reply.txt", results=results(observations, note))

    def repair(self, error: str) -> str:
        return fill("structured_repair.txt", error=shorten(one_line(error), 160))

    def parse(self, text: str) -> Action:
        return _Reader(text).action()

    def encode(self, action: Action) -> str:
        """The wire form, which the schema accepts; ValueError where the wire cannot carry the action.

        Texts are cut to the schema's lengths and lose the characters it forbids; probabilities become percents.
        """
        wire = {
            "action": str(action.kind),
            "target": _writable(action.target, "target"),
            "reason": _writable(action.reason, "reason"),
            "differential": [_hypothesis(hypothesis) for hypothesis in action.differential[:HYPOTHESES]],
        }
        if not wire["differential"]:
            raise ValueError("the wire form needs a differential")
        return json.dumps(wire, ensure_ascii=False, separators=(",", ":"))

    def stream(self) -> JsonActionStream:
        return JsonActionStream(self.parse)

    def fit(self, inquiry: Inquiry, exchanges: Sequence[Exchange]) -> float | None:
        return None

    def opening(self, kind: ActionKind) -> str:
        return ""


@cache
def _response_format(force_final: bool) -> dict[str, Any]:
    schema = json.loads(load("action.schema.json"))
    if force_final:
        schema = deepcopy(schema)
        schema["properties"]["action"] = {"enum": [str(kind) for kind in ActionKind if kind.is_final]}
    name = "final_action" if force_final else "action"
    return {"type": "json_schema", "json_schema": {"name": name, "strict": True, "schema": schema}}


def _inquiry(inquiry: Inquiry) -> str:
    lines = [f"Patient: {person(inquiry)}.", f"Complaint: {one_line(inquiry.complaint)}"]
    lines += [f"{label}: {text}" for _, label, text in sections(inquiry)]
    return fill("structured_inquiry.txt", presentation=shorten("\n".join(lines), INQUIRY_CHARS))


def _writable(text: str, field: str) -> str:
    limit = LENGTHS[field]
    words = " ".join(_FORBIDDEN.sub(lambda c: "'" if c[0] == '"' else " ", plain(text)).split())
    words = re.sub(r"^[^A-Za-z0-9]+", "", words)
    if len(words) > limit:
        cut = words.rfind(" ", 1, limit + 1)
        words = words[: cut if cut > limit // 2 else limit]
    words = words.rstrip(" ,;")
    if len(words) < 2:
        raise ValueError(f"the wire form needs a {field}")
    return words


def _hypothesis(hypothesis: Hypothesis) -> dict[str, Any]:
    if hypothesis.probability is None:
        raise ValueError(f"{hypothesis.diagnosis!r} has no probability")
    percent = min(99, max(1, round(100 * hypothesis.probability)))
    return {"dx": _writable(hypothesis.diagnosis, "dx"), "p": percent, "g": str(hypothesis.group)}


class _Reader:
    """Reads one wire object; every deviation is one MalformedAction with one sentence."""

    def __init__(self, text: str) -> None:
        self.text = text

    def action(self) -> Action:
        data = self._object(self._load(), FIELDS, "the action")
        kind = self._choice(data["action"], ActionKind, "action")
        target, reason = self._string(data["target"], "target"), self._string(data["reason"], "reason", empty=True)
        return Action(kind, target, reason, self._differential(data["differential"]))

    def _load(self) -> Any:
        try:
            return json.loads(self.text, object_pairs_hook=self._distinct, parse_constant=self._no_constant)
        except json.JSONDecodeError as error:
            self._fail(f"not one JSON object ({error.msg.lower()} at character {error.pos})")
        except MalformedAction:
            raise
        except (RecursionError, ValueError):
            # ValueError: a number of more digits than Python reads.
            self._fail("not one JSON object of this shape")

    def _distinct(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        data = dict(pairs)
        if len(data) != len(pairs):
            self._fail("a field is given twice")
        return data

    def _no_constant(self, name: str) -> NoReturn:
        self._fail(f"{name} is not a number")

    def _object(self, data: Any, fields: tuple[str, ...], what: str) -> dict[str, Any]:
        if not isinstance(data, dict) or tuple(data) != fields:
            self._fail(f"{what} must have exactly the fields {', '.join(fields)} in this order")
        return data

    def _choice(self, value: Any, kind: Any, what: str) -> Any:
        if value not in [str(member) for member in kind]:
            self._fail(f"{what} must be one of {', '.join(kind)}")
        return kind(value)

    def _string(self, value: Any, what: str, *, empty: bool = False) -> str:
        if not isinstance(value, str) or len(value) > READER_CHARS:
            self._fail(f"{what} must be a text of at most {READER_CHARS} characters")
        value = _UNSTORABLE.sub(" ", value).strip().rstrip(" ,;")
        if not value and not empty:
            self._fail(f"{what} is empty")
        return value

    def _differential(self, rows: Any) -> tuple[Hypothesis, ...]:
        if not isinstance(rows, list) or len(rows) > READER_HYPOTHESES:
            self._fail(f"differential must be a list of at most {READER_HYPOTHESES}")
        first: dict[str, tuple[str, int, HypothesisGroup]] = {}
        for row in rows:
            name, percent, group = self._row(row)
            first.setdefault(name.casefold(), (name, percent, group))
        total = max(100, sum(percent for _, percent, _ in first.values()))
        return tuple(Hypothesis(name, percent / total, group) for name, percent, group in first.values())

    def _row(self, row: Any) -> tuple[str, int, HypothesisGroup]:
        row = self._object(row, ("dx", "p", "g"), "a hypothesis")
        percent = row["p"]
        if type(percent) is not int or not 0 <= percent <= 100:
            self._fail("p must be a whole number of percent, 0 to 100")
        return self._string(row["dx"], "dx"), percent, self._choice(row["g"], HypothesisGroup, "g")

    def _fail(self, reason: str) -> NoReturn:
        raise MalformedAction(reason, text=self.text)
