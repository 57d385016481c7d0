"""The text dialect of the released DiagAgent checkpoints (arXiv 2510.24654), byte-compatible both ways.

It knows two actions: one investigation with the current diagnosis, or the diagnosis. The reader is tolerant of
fences, blank lines, bold, list marks, trailing punctuation and several investigations in one line, and strict about
the rest: one action and not two, each label once, the stopping sentence only at the start of a line of the
assistant's own last message. Nothing a result or a reason says can end a consultation.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from agents import prompts
from agents.codecs.base import FieldText
from agents.codecs.presentation import INQUIRY_CHARS, one_line, person, results, sections
from agents.prompts import fill, load, shorten
from agents.types import Action, ActionKind, Exchange, Hypothesis, Inquiry, MalformedAction, Message, Observation

FILES = tuple(f"diagagent_{part}.txt" for part in ("system", "inquiry", "reply", "repair", "final"))
SENTINEL = "The available information is sufficient to make a diagnosis."
INVESTIGATE = "Based on the patient's initial presentation, the following investigation(s) should be performed:"
BULLETS = {"hpi": "History of Present Illness", "past": "Past Medical History", "social": "Personal History"}
BULLETS |= {"family": "Family History", "allergies": "Allergy History"}

_MARK = r"^[\s>#*\-•]*(?:\d[.)]\s+)?"
_LABELS = {
    "current": re.compile(_MARK + r"current diagnosis\s*:", re.I),
    "exam": re.compile(_MARK + r"based on [^:\n]{0,200}\b(?:performed|needed)\s*:", re.I),
    "reason": re.compile(_MARK + r"reason\s*:", re.I),
    "final": re.compile(_MARK + r"diagnosis\s*:", re.I),
    "stop": re.compile(_MARK + r"the available information is sufficient to make a diagnosis\b\.?", re.I),
}
_FENCE = re.compile(r"^\s*```\w*\s*$")
_FIELDS = {"current": "differential", "exam": "target", "final": "target", "reason": "reason"}
_KINDS = {"exam": ActionKind.EXAMINE, "stop": ActionKind.DIAGNOSE}


class DialectCodec:
    """Codec of the DiagAgent dialect; it cannot say Ask or Defer, nor a probability."""

    name = "diagagent"
    max_tokens = 512

    @property
    def digest(self) -> str:
        return prompts.digest(*FILES)

    def messages(self, inquiry: Inquiry, exchanges: Sequence[Exchange], *, force_final: bool = False) -> list[Message]:
        """System, inquiry, exchanges; a forced last turn adds its sentence to the last user message only."""
        said = [Message("system", load(FILES[0])), Message("user", _inquiry(inquiry))]
        for exchange in exchanges:
            said += [Message("assistant", exchange.said), Message("user", exchange.reply)]
        if force_final:
            said[-1] = Message("user", fill("diagagent_final.txt", message=said[-1].content))
        return said

    def response_format(self, *, force_final: bool = False) -> None:
        return None

    def reply(self, observations: Sequence[Observation], *, note: str = "") -> str:
        return fill("diagagent_reply.txt", results=results(observations, note))

    def repair(self, error: str) -> str:
        return fill("diagagent_repair.txt", error=shorten(one_line(error), 160))

    def parse(self, text: str) -> Action:
        parts = _parts(text)
        kinds = [kind for part, kind in _KINDS.items() if part in parts]
        if len(kinds) != 1:
            raise MalformedAction("an investigation and a diagnosis at once" if kinds else "no action", text=text)
        kind = kinds[0]
        wanted = ("current", "exam") if kind is ActionKind.EXAMINE else ("final",)
        missing = [part for part in wanted if not parts.get(part)]
        if missing or (kind is ActionKind.EXAMINE and "final" in parts):
            raise MalformedAction(f"{missing[0]} is missing" if missing else "two diagnoses", text=text)
        target = parts[wanted[-1]]
        return Action(kind, target, parts.get("reason", ""), (Hypothesis(parts[wanted[0]]),))

    def encode(self, action: Action) -> str:
        """The dialect's text; ValueError for an action that the dialect cannot say."""
        target, reason = one_line(action.target), one_line(action.reason)
        if action.kind is ActionKind.DIAGNOSE:
            return f"{SENTINEL}\n\nDiagnosis: {target}\nReason: {reason}"
        if action.kind is not ActionKind.EXAMINE or not action.differential:
            raise ValueError(f"the DiagAgent dialect cannot say {action.kind} without a current diagnosis")
        current = one_line(action.differential[0].diagnosis)
        return f"Current diagnosis: {current}\n{INVESTIGATE} {target}\nReason: {reason}"

    def stream(self) -> DialectStream:
        return DialectStream()

    def fit(self, inquiry: Inquiry, exchanges: Sequence[Exchange]) -> float | None:
        return None

    def opening(self, kind: ActionKind) -> str:
        return ""


def _inquiry(inquiry: Inquiry) -> str:
    history = {key: text for key, _, text in sections(inquiry)}
    lines = [f"- Patient Information: {person(inquiry)}", f"- Chief Complaint: {one_line(inquiry.complaint)}"]
    lines += [f"- {label}: {history[key]}" for key, label in BULLETS.items() if key in history]
    lines += [f"- {label}: {text}" for key, label, text in sections(inquiry) if key not in BULLETS]
    return fill("diagagent_inquiry.txt", presentation=shorten("\n".join(lines), INQUIRY_CHARS))


def _label(line: str) -> tuple[str, str] | None:
    """The label a line begins with and the text after it."""
    for part, pattern in _LABELS.items():
        found = pattern.match(line)
        if found:
            return part, line[found.end() :]
    return None


def _lines(text: str) -> Iterator[tuple[str | None, str]]:
    """(label or None, text) of each line that says something."""
    for raw in text.splitlines():
        if _FENCE.match(raw):
            continue
        line = raw.replace("**", "")
        found = _label(line)
        if found and found[0] == "stop":
            # Checkpoints sometimes go on in the same line.
            yield "stop", ""
            line = found[1].strip()
            found = _label(line)
        if found or line.strip():
            yield found or (None, line)


def _parts(text: str) -> dict[str, str]:
    """Label to text; lines without a label continue the one before."""
    parts: dict[str, str] = {}
    current = ""
    for label, said in _lines(text):
        if label in parts:
            raise MalformedAction(f"{label} is given twice", text=text)
        current = label or current
        if not current or (label is None and current == "stop"):
            raise MalformedAction("text outside the form", text=text)
        parts[current] = f"{parts.get(current, '')} {one_line(said)}".strip()
    return {label: said if label == "reason" else said.rstrip(" .,;") for label, said in parts.items()}


class DialectStream:
    """Reads the dialect while it is being written; a line is shown as soon as its label is certain."""

    def __init__(self) -> None:
        self._said: list[str] = []
        self._line = ""
        self._field: str | None = None
        self._open = False

    def feed(self, delta: str) -> list[FieldText]:
        self._said.append(delta)
        out: list[FieldText] = []
        first, *rest = delta.split("\n")
        self._grow(first, out)
        for piece in rest:
            self._end_line(out)
            self._grow(piece, out)
        return out

    def finish(self) -> Action:
        return DialectCodec().parse("".join(self._said))

    def _grow(self, piece: str, out: list[FieldText]) -> None:
        if self._open:
            self._emit(piece, out)
            return
        self._line += piece
        found = _label(self._line.replace("**", ""))
        if not found:
            return
        label, text = found
        if label in _KINDS:
            out.append(FieldText("action", str(_KINDS[label])))
        if label == "stop":
            self._line = text
            return
        self._field, self._open = _FIELDS[label], True
        self._emit(text.lstrip(), out)

    def _end_line(self, out: list[FieldText]) -> None:
        """A line that never showed a label continues the field before it."""
        if not self._open and self._line.strip() and not _FENCE.match(self._line):
            self._emit(f" {self._line.strip()}", out)
        self._line, self._open = "", False

    def _emit(self, text: str, out: list[FieldText]) -> None:
        if text and self._field:
            out.append(FieldText(self._field, text.replace("**", "")))
